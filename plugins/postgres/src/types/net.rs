//! `inet`, `cidr`, `macaddr`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const FAMILY_V4: u8 = 2;
const FAMILY_V6: u8 = 3;

/// A `cidr` always shows its prefix, an `inet` only when it is not the whole address.
pub fn inet_to_text(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (&[family, prefix, is_cidr, length], address) = bytes.split_first_chunk::<4>()?;
    let (address, whole) = match (family, length) {
        (FAMILY_V4, 4) => (IpAddr::from(<[u8; 4]>::try_from(address).ok()?), 32),
        (FAMILY_V6, 16) => (IpAddr::from(<[u8; 16]>::try_from(address).ok()?), 128),
        _ => return None,
    };
    out.extend_from_slice(address.to_string().as_bytes());
    if is_cidr != 0 || prefix != whole {
        out.extend_from_slice(format!("/{prefix}").as_bytes());
    }
    Some(())
}

pub fn inet_from_text(text: &str, is_cidr: bool, out: &mut Vec<u8>) -> Option<()> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
        None => (text, None),
    };
    let (family, whole, octets) = match address.parse::<IpAddr>().ok()? {
        IpAddr::V4(v4) => (FAMILY_V4, 32, v4.octets().to_vec()),
        IpAddr::V6(v6) => (FAMILY_V6, 128, v6.octets().to_vec()),
    };
    let prefix = prefix.unwrap_or(whole);
    if prefix > whole || (is_cidr && has_host_bits(&octets, prefix)) {
        return None;
    }
    out.extend_from_slice(&[family, prefix, u8::from(is_cidr), u8::try_from(octets.len()).ok()?]);
    out.extend_from_slice(&octets);
    Some(())
}

fn has_host_bits(octets: &[u8], prefix: u8) -> bool {
    let value = match <[u8; 4]>::try_from(octets) {
        Ok(v4) => u128::from(Ipv4Addr::from(v4).to_bits()) << 96,
        Err(_) => <[u8; 16]>::try_from(octets).map_or(0, |v6| Ipv6Addr::from(v6).to_bits()),
    };
    value.checked_shl(u32::from(prefix)).unwrap_or(0) != 0
}

pub fn mac_to_text(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let [a, b, c, d, e, f] = <[u8; 6]>::try_from(bytes).ok()?;
    out.extend_from_slice(format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}").as_bytes());
    Some(())
}

pub fn mac_from_text(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let mut count = 0;
    for part in text.split(':') {
        if part.len() != 2 || !part.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        out.push(u8::from_str_radix(part, 16).ok()?);
        count += 1;
    }
    (count == 6).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let cases: [(&str, bool, &[u8]); 4] = [
            ("10.1.2.3", false, b"\x02\x20\0\x04\x0a\x01\x02\x03"),
            ("10.0.0.0/8", true, b"\x02\x08\x01\x04\x0a\0\0\0"),
            ("10.1.2.3/24", false, b"\x02\x18\0\x04\x0a\x01\x02\x03"),
            ("::1", false, b"\x03\x80\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"),
        ];
        for (text, is_cidr, bytes) in cases {
            let mut out = Vec::new();
            inet_from_text(text, is_cidr, &mut out).unwrap();
            assert_eq!(out, bytes);
            out.clear();
            inet_to_text(bytes, &mut out).unwrap();
            assert_eq!(out, text.as_bytes());
        }
        assert_eq!(inet_from_text("10.1.2.3/8", true, &mut Vec::new()), None);
        assert_eq!(inet_from_text("10.1.2.3/33", false, &mut Vec::new()), None);
        assert_eq!(inet_from_text("ten", false, &mut Vec::new()), None);
    }

    #[test]
    fn hardware_addresses() {
        let mut out = Vec::new();
        mac_from_text("08:00:2b:01:02:03", &mut out).unwrap();
        assert_eq!(out, [8, 0, 0x2b, 1, 2, 3]);
        let mut text = Vec::new();
        mac_to_text(&out, &mut text).unwrap();
        assert_eq!(text, b"08:00:2b:01:02:03");
        assert_eq!(mac_from_text("08:00:2b:01:02", &mut Vec::new()), None);
    }
}

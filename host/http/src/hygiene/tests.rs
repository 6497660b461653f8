use super::{answer_head, identity_head, is_authority, outgoing, request_head, trailers_in, trailers_out};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use proptest::prelude::*;
use weir_session::http::traffic::Header;

fn header(name: &str, value: &str) -> Header {
    Header::new(name, value.as_bytes().to_vec())
}

fn judged(version: Version, target: &str, lines: &[(&str, &str)]) -> Result<super::Judged, u16> {
    let mut request = Request::builder().version(version).uri(target);
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    request_head(&parts, true).map_err(|refusal| refusal.status)
}

#[test]
fn a_host_is_a_name_and_perhaps_a_port() {
    for good in ["x", "x.example", "x:80", "a-b_c.1:0", "127.0.0.1:65535", "[::1]", "[2001:db8::1]:443"] {
        assert!(is_authority(good), "{good}");
    }
    for bad in [
        "",
        ":80",
        "x:",
        "x:80:80",
        "x:65536",
        "x:+1",
        "a@x",
        "a:b@x",
        "x/",
        "x y",
        "x%2f",
        "x,y",
        "[::1",
        "::1",
        "[x]",
        "[::1]80",
        "[::1]:",
        "[::1]x",
        "x\\y",
        "ä",
        "[::1%eth0]",
        "x?y",
        "x#y",
    ] {
        // `x:` is the only one that RFC 3986 allows: nobody sends it, and it is one more way to write a name.
        assert!(!is_authority(bad), "{bad}");
    }
}

#[test]
fn names_that_only_look_harmless_are_refused() {
    for name in [
        "content_length",
        "content-length_",
        "transfer_encoding",
        "x_forwarded_for",
        "proxy_authorization",
        "mcp_session_id",
        "mcp-session_id",
        "sec_fetch_site",
        "content_type",
        "x-http-method-override",
        "x-original-url",
    ] {
        let refused = judged(Version::HTTP_2, "http://x/", &[(name, "1")]).is_err();
        // `content-length_` begins as a known name does.
        assert!(refused, "{name} passes");
    }
    for name in ["session_id", "x_custom", "a_b_c"] {
        assert!(judged(Version::HTTP_2, "http://x/", &[(name, "1")]).is_ok(), "{name} is refused");
    }
}

#[test]
fn spaces_around_a_value_mean_nothing() {
    let head = judged(Version::HTTP_2, "http://x/", &[("a", " \tb c ")]).ok().unwrap().head;
    assert_eq!(head.headers, [header("a", "b c")]);
}

#[test]
fn too_many_headers_are_refused() {
    let many = |count| vec![("a", "b"); count];
    assert!(judged(Version::HTTP_2, "http://x/", &many(100)).is_ok());
    assert_eq!(judged(Version::HTTP_2, "http://x/", &many(101)).err(), Some(431));
}

#[test]
fn a_whole_address_is_only_for_http_2() {
    assert_eq!(judged(Version::HTTP_11, "http://x/", &[("host", "x")]).err(), Some(400));
    assert!(judged(Version::HTTP_11, "/", &[("host", "x")]).is_ok());
    assert_eq!(judged(Version::HTTP_2, "/", &[]).err(), Some(400));
}

#[test]
fn an_answer_in_between_cannot_end_an_exchange() {
    for (status, fine) in [(100, false), (101, false), (103, false), (200, true), (599, true)] {
        let (parts, ()) = Response::builder().status(status).body(()).unwrap().into_parts();
        assert_eq!(answer_head(&parts, false, false).is_ok(), fine, "{status}");
    }
}

#[test]
fn a_changed_body_loses_what_described_it() {
    let mut headers = [
        ("content-type", "a/b"),
        ("content-encoding", "gzip"),
        ("content-length", "1"),
        ("content-md5", "x"),
        ("digest", "x"),
        ("content-digest", "x"),
        ("repr-digest", "x"),
        ("accept-ranges", "bytes"),
        ("etag", "\"a\""),
    ]
    .map(|(name, value)| header(name, value))
    .to_vec();
    identity_head(&mut headers);
    assert_eq!(headers, [header("content-type", "a/b"), header("etag", "W/\"a\"")]);
    identity_head(&mut headers);
    assert_eq!(headers[1], header("etag", "W/\"a\""));
}

#[test]
fn trailers_are_neither_framing_nor_rights() {
    let bad =
        ["content-length", "transfer-encoding", "host", "authorization", "set-cookie", "content_length"];
    for name in bad {
        let mut map = HeaderMap::new();
        map.insert(HeaderName::from_static("x-sum"), HeaderValue::from_static("1"));
        map.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static("1"));
        assert!(trailers_in(&map).is_err(), "{name}");
    }
    let out = trailers_out(&[header("content-length", "1"), header("grpc-status", "0"), header("a b", "1")]);
    assert_eq!(out.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["grpc-status"]);
}

#[test]
fn what_cannot_be_written_is_an_error_and_what_is_a_connection_s_is_left_out() {
    for bad in [header("a b", "c"), header("", "c"), header("a", "b\r\nc: d"), header("a", "b\0")] {
        assert!(outgoing(std::slice::from_ref(&bad), true).is_err(), "{bad:?}");
    }
    let headers = ["connection", "transfer-encoding", "content-length", "host", "te", "a"]
        .map(|name| header(name, "trailers"));
    let names = |version_2| {
        let map = outgoing(&headers, version_2).unwrap();
        map.keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((names(true), names(false)), (vec!["te".to_owned(), "a".to_owned()], vec!["a".to_owned()]));
}

proptest! {
    /// Whatever passes as a host is read the same by the library that reads addresses.
    #[test]
    fn a_host_that_passes_is_an_authority_without_a_user(text in "[a-z0-9:.@\\[\\]/ _-]{0,12}") {
        if is_authority(&text) {
            let parsed: http::uri::Authority = text.parse().unwrap();
            prop_assert_eq!(parsed.as_str(), text.as_str());
            prop_assert!(!text.contains('@'));
        }
    }
}

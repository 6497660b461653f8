use super::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
    date_time_ymd,
};
use tempfile::TempDir;

/// 2030, when all certificates here are good.
const NOW: u64 = 1_900_000_000;
const HOUR: u64 = 3600;

struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params
}

fn client(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Authority {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let (params, key) = (authority_params("authority"), KeyPair::generate().unwrap());
        let own = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), own.pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    fn sign(&self, params: &CertificateParams) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        params.signed_by(&key, &self.issuer).unwrap().der().clone()
    }

    fn list(&self, revoked: &[u64], until: i32) -> PathBuf {
        let revoked = revoked.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2025, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2025, 1, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let path = self.folder.path().join(format!("{until}.crl"));
        std::fs::write(&path, list.signed_by(&self.issuer).unwrap().pem().unwrap()).unwrap();
        path
    }

    fn check(&self, revoked: Option<&Path>) -> Arc<Check> {
        let authorities = &self.folder.path().join("ca.pem");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Check::load(ClientCertificates { authorities, revoked, required: false }, provider).unwrap()
    }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// As after a handshake that nobody has looked at.
fn shown(chain: &[&CertificateDer<'static>]) -> ClientCertificate {
    let chain: Vec<_> = chain.iter().map(|each| (*each).clone()).collect();
    ClientCertificate { facts: read(&chain[0]).unwrap(), chain, good_under: Mutex::new(None) }
}

fn why(stands: Result<(), String>) -> String {
    stands.err().unwrap_or_else(|| "it stands".to_owned())
}

#[test]
fn what_a_certificate_says_is_read() {
    let authority = Authority::new();
    let mut asked = client("Ann");
    asked.subject_alt_names = vec![
        SanType::URI("spiffe://example.org/ann".try_into().unwrap()),
        SanType::Rfc822Name("Ann@example.org".try_into().unwrap()),
        SanType::DnsName("ANN.example.org".try_into().unwrap()),
        SanType::IpAddress([127, 0, 0, 1].into()),
    ];
    let certificate = authority.sign(&asked);
    let facts = read(&certificate).unwrap();
    let texts: Vec<String> = facts.names.iter().map(ToString::to_string).collect();
    assert_eq!(texts[0], format!("sha256:{}", facts.sha256));
    assert!(texts[1].starts_with("key-sha256:"));
    let names = ["uri:spiffe://example.org/ann", "email:Ann@example.org", "dns:ann.example.org", "cn:Ann"];
    assert_eq!(texts[2..], names);
    // 2040-01-01T00:00:00Z belongs to it.
    assert_eq!(facts.expires, at(2_208_988_801));
    asked.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 3]), "Bob");
    let two = read(&authority.sign(&asked)).unwrap();
    assert!(!two.names.iter().any(|name| matches!(name, CertificateName::CommonName(_))), "{:?}", two.names);
    assert!(read(&CertificateDer::from(vec![1, 2, 3])).is_err());
    let mut longer = certificate.to_vec();
    longer.push(0);
    assert!(read(&CertificateDer::from(longer)).is_err(), "what is behind a certificate is not looked at");
}

#[test]
fn only_what_the_authority_has_signed_for_clients_stands() {
    let (authority, other) = (Authority::new(), Authority::new());
    let check = authority.check(None);
    let stands = |certificate: &CertificateDer<'static>, now| why(check.stands(&shown(&[certificate]), now));
    let good = authority.sign(&client("ann"));
    assert_eq!(stands(&good, at(NOW)), "it stands");
    let late = stands(&good, at(2_208_988_801));
    assert!(late.contains("Expired"), "{late}");
    assert!(stands(&good, at(NOW - 20 * 365 * 24 * HOUR)).contains("not valid yet"));
    let of_other = stands(&other.sign(&client("ann")), at(NOW));
    assert!(of_other.contains("invalid peer certificate"), "{of_other}");
    for usages in [vec![], vec![ExtendedKeyUsagePurpose::ServerAuth], vec![ExtendedKeyUsagePurpose::Any]] {
        let mut asked = params("ann");
        asked.extended_key_usages = usages.clone();
        let refused = stands(&authority.sign(&asked), at(NOW));
        assert!(refused.contains("invalid peer certificate"), "{usages:?}: {refused}");
    }
}

#[test]
fn a_chain_counts_as_far_as_the_client_sends_it() {
    let authority = Authority::new();
    let (params, key) = (authority_params("between"), KeyPair::generate().unwrap());
    let between = params.signed_by(&key, &authority.issuer).unwrap().der().clone();
    let own = KeyPair::generate().unwrap();
    let ann = client("ann").signed_by(&own, &Issuer::new(params, key)).unwrap().der().clone();
    let check = authority.check(None);
    assert_eq!(why(check.stands(&shown(&[&ann, &between]), at(NOW))), "it stands");
    assert_ne!(why(check.stands(&shown(&[&ann]), at(NOW))), "it stands");
    // Nobody says whether the one between has revoked it.
    let listed = authority.check(Some(&authority.list(&[], 2040)));
    assert_ne!(why(listed.stands(&shown(&[&ann, &between]), at(NOW))), "it stands");
}

#[test]
fn what_is_revoked_or_unknown_does_not_stand() {
    let (authority, other) = (Authority::new(), Authority::new());
    let signed = |serial: u64| {
        let mut asked = client("ann");
        asked.serial_number = Some(SerialNumber::from(serial));
        authority.sign(&asked)
    };
    let (one, two) = (signed(1), signed(2));
    let stands = |list: &Path, certificate: &CertificateDer<'static>| {
        why(authority.check(Some(list)).stands(&shown(&[certificate]), at(NOW)))
    };
    let list = authority.list(&[2], 2040);
    assert_eq!(stands(&list, &one), "it stands");
    assert!(stands(&list, &two).contains("Revoked"), "{}", stands(&list, &two));
    let late = stands(&authority.list(&[2], 2026), &one);
    assert!(late.contains("revocation list"), "{late}");
    let foreign = stands(&other.list(&[], 2040), &one);
    assert_ne!(foreign, "it stands");
}

#[test]
fn what_was_good_is_looked_at_again_when_the_rules_change() {
    let authority = Authority::new();
    let mut asked = client("ann");
    asked.serial_number = Some(SerialNumber::from(2));
    let ann = shown(&[&authority.sign(&asked)]);
    let before = authority.check(None);
    before.stands(&ann, at(NOW)).unwrap();
    assert_eq!(*ann.good_under.lock().unwrap(), Some(before.rules));
    let after = authority.check(Some(&authority.list(&[2], 2040)));
    assert_ne!(before.rules, after.rules);
    assert!(after.stands(&ann, at(NOW)).is_err());
    assert_eq!(authority.check(None).rules, before.rules, "the same files are the same rules");
    // Its time is looked at whatever has been found before.
    assert!(before.stands(&ann, at(2_208_988_801)).is_err());
}

#[test]
fn files_without_what_they_should_hold_are_told() {
    let folder = TempDir::new().unwrap();
    let text = folder.path().join("text.pem");
    std::fs::write(&text, "nothing\n").unwrap();
    let none = folder.path().join("none.pem");
    let authority = Authority::new();
    let good = authority.folder.path().join("ca.pem");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let load = |authorities: &Path, revoked: Option<&Path>| {
        let asked = ClientCertificates { authorities, revoked, required: true };
        Check::load(asked, Arc::clone(&provider)).map(|_| ()).unwrap_err().to_string()
    };
    assert!(load(&text, None).contains("holds no certificate"));
    assert!(load(&none, None).contains("cannot read the certificate authorities for clients"));
    assert!(load(&good, Some(&good)).contains("holds no revocation list"));
    assert!(load(&good, Some(&none)).contains("cannot read the certificate revocation lists for clients"));
}

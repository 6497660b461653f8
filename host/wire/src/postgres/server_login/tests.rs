use super::*;

const SSL: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const GSS: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];
const STARTUP: &[u8] = b"\0\0\0\x10\0\x03\0\0user\0u\0\0";

fn login(tls: ServerTls) -> ServerLogin {
    let mock = MockScram::new([7; 32], 4096);
    let options = ServerLoginOptions { tls, cleartext: CleartextPolicy::OnlyOverTls, mock };
    ServerLogin::new(options, ClientTransport::Plain)
}

fn nonce() -> Nonce {
    Nonce::from_random([1; 18])
}

/// Feeds bytes and tells in a word each what was asked, up to the first question or error.
fn told(login: &mut ServerLogin, bytes: &[u8]) -> Vec<String> {
    login.feed(bytes);
    let mut told = Vec::new();
    loop {
        let step = login.step();
        told.push(match &step {
            Ok(ServerStep::NeedInput) => return told,
            Ok(ServerStep::Send(bytes)) => bytes.escape_ascii().to_string(),
            Ok(ServerStep::StartTls) => "tls".to_owned(),
            Ok(ServerStep::Cancel(request)) => format!("cancel {}", request.target.process_id),
            Ok(ServerStep::NeedCredential(request)) => format!("who is {}", request.user),
            Ok(ServerStep::CheckPassword(password)) => password.expose().escape_ascii().to_string(),
            Ok(ServerStep::Authenticated(_)) => "in".to_owned(),
            Err(error) => error.to_string(),
        });
        if !matches!(step, Ok(ServerStep::Send(_))) {
            return told;
        }
    }
}

#[test]
fn negotiation_goes_in_any_order_and_once_each() {
    let again = |minor: u16| format!("protocol 1234.{minor} is not spoken here");
    let check = |tls: ServerTls, input: &[&[u8]], expect: &[&str]| {
        assert_eq!(told(&mut login(tls), &input.concat()), expect);
    };
    check(ServerTls::Absent, &[&SSL, &GSS, STARTUP], &["N", "N", "who is u"]);
    check(ServerTls::Absent, &[&GSS, &SSL, STARTUP], &["N", "N", "who is u"]);
    check(ServerTls::Absent, &[&SSL, &SSL], &["N", &again(5679)]);
    check(ServerTls::Absent, &[&GSS, &GSS], &["N", &again(5680)]);
    check(ServerTls::Offered, &[STARTUP], &["who is u"]);
    check(ServerTls::Offered, &[&GSS, &SSL], &["N", "S", "tls"]);
    check(ServerTls::Required, &[STARTUP], &["the client opened its session without TLS"]);
}

#[test]
fn inside_tls_nothing_is_left_to_negotiate() {
    for packet in [SSL, GSS] {
        let mut login = login(ServerTls::Required);
        assert_eq!(told(&mut login, &SSL), ["S", "tls"]);
        login.tls_started(None).unwrap();
        let told = told(&mut login, &packet);
        assert!(told[0].starts_with("protocol 1234.56"), "{told:?}");
    }
    let mut login = login(ServerTls::Required);
    told(&mut login, &SSL);
    login.tls_started(None).unwrap();
    assert_eq!(told(&mut login, STARTUP), ["who is u"]);
}

#[test]
fn bytes_in_front_of_the_handshake_are_refused() {
    let expect = ServerLoginError::BytesBeforeTls;
    // In the same read as SSLRequest: before 'S' is sent.
    let mut early = login(ServerTls::Offered);
    early.feed(&[&SSL[..], STARTUP].concat());
    assert_eq!(early.step().unwrap_err(), expect);
    // While 'S' is under way.
    let mut late = login(ServerTls::Offered);
    late.feed(&SSL);
    assert!(matches!(late.step(), Ok(ServerStep::Send(_))));
    late.feed(b"\0");
    assert!(matches!(late.step(), Ok(ServerStep::StartTls)));
    assert_eq!(late.tls_started(None).unwrap_err(), expect);
    assert!(matches!(late.step(), Err(ServerLoginError::Misuse(_))));
}

#[test]
fn a_cancel_request_ends_the_login_whatever_tls_is_required() {
    let cancel = [0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 7, 1, 2, 3, 4];
    let mut login = login(ServerTls::Required);
    assert_eq!(told(&mut login, &cancel), ["cancel 7"]);
    assert!(matches!(login.step(), Err(ServerLoginError::Misuse(_))));
}

#[test]
fn grease_is_answered_before_authentication() {
    let packet = b"\0\0\0\x30\0\x03\x27\x0fuser\0u\0_pq_.test_protocol_negotiation\0\0\0".as_slice();
    let mut login = login(ServerTls::Absent);
    let negotiate = r"v\x00\x00\x00+\x00\x03\x00\x02\x00\x00\x00\x01_pq_.test_protocol_negotiation\x00";
    assert_eq!(told(&mut login, packet), [negotiate, "who is u"]);
}

#[test]
fn a_password_in_clear_is_for_the_host_to_compare() {
    let ask = |cleartext, transport| {
        let mock = MockScram::new([7; 32], 4096);
        let options = ServerLoginOptions { tls: ServerTls::Offered, cleartext, mock };
        let mut login = ServerLogin::new(options, transport);
        told(&mut login, STARTUP);
        login.credential(Credential::Password, nonce()).map(|()| login)
    };
    let plain = ask(CleartextPolicy::OnlyOverTls, ClientTransport::Plain);
    assert_eq!(plain.err(), Some(ServerLoginError::CleartextNeedsTls));
    for (cleartext, transport) in [
        (CleartextPolicy::OnlyOverTls, ClientTransport::Tls(None)),
        (CleartextPolicy::AllowOnPlain, ClientTransport::Plain),
    ] {
        let mut login = ask(cleartext, transport).unwrap();
        assert_eq!(told(&mut login, b"p\0\0\0\x07pw\0"), [r"R\x00\x00\x00\x08\x00\x00\x00\x03", "pw"]);
        login.password_checked(PasswordVerdict::Accept).unwrap();
        login.feed(b"Q...");
        let Ok(ServerStep::Authenticated(proven)) = login.step() else { panic!() };
        assert_eq!(proven.user.as_str(), "u");
        assert_eq!(proven.mechanism, LoginMechanism::Password);
        assert_eq!(proven.leftover, b"Q...");
    }
    let mut login = ask(CleartextPolicy::AllowOnPlain, ClientTransport::Plain).unwrap();
    told(&mut login, b"p\0\0\0\x07pw\0");
    let refused = login.password_checked(PasswordVerdict::Refuse).unwrap_err();
    assert!(matches!(refused, ServerLoginError::WrongPassword { .. }));
    assert!(login.step().is_err());
}

#[test]
fn who_showed_a_certificate_is_asked_for_nothing_and_only_inside_tls() {
    let mut login = login(ServerTls::Offered);
    told(&mut login, STARTUP);
    let plain = login.credential(Credential::Proven, nonce());
    assert!(matches!(plain, Err(ServerLoginError::Misuse(_))), "{plain:?}");
    let mock = MockScram::new([7; 32], 4096);
    let options =
        ServerLoginOptions { tls: ServerTls::Required, cleartext: CleartextPolicy::OnlyOverTls, mock };
    let mut login = ServerLogin::new(options, ClientTransport::Tls(None));
    told(&mut login, STARTUP);
    login.credential(Credential::Proven, nonce()).unwrap();
    login.feed(b"Q...");
    let Ok(ServerStep::Authenticated(proven)) = login.step() else { panic!() };
    assert_eq!((proven.user.as_str(), proven.mechanism), ("u", LoginMechanism::Certificate));
    assert_eq!(proven.leftover, b"Q...");
}

#[test]
fn broken_password_messages_are_refused() {
    let check = |message: &[u8], expect: &str| {
        let mock = MockScram::new([7; 32], 4096);
        let cleartext = CleartextPolicy::AllowOnPlain;
        let options = ServerLoginOptions { tls: ServerTls::Absent, cleartext, mock };
        let mut login = ServerLogin::new(options, ClientTransport::Plain);
        told(&mut login, STARTUP);
        login.credential(Credential::Password, nonce()).unwrap();
        assert_eq!(told(&mut login, message).last().unwrap(), expect);
    };
    check(b"p\0\0\0\x06pw", "malformed password message");
    check(b"p\0\0\0\x08pw\0x", "malformed password message");
    check(b"p\0\0\0\x05\0", r#"empty password for user "u""#);
    check(b"p\0\0\0\x03", "an authentication message cannot have 3 bytes");
    check(b"p\0\x01\0\x01", "an authentication message cannot have 65537 bytes");
    check(b"Q", "expected a message of type p, got 'Q'");
}

#[test]
fn broken_initial_responses_are_refused() {
    let check = |body: &[u8]| {
        let mut login = login(ServerTls::Absent);
        told(&mut login, STARTUP);
        login.credential(Credential::Unknown, nonce()).unwrap();
        let message = crate::postgres::frame::typed(b'p', body);
        assert_eq!(told(&mut login, &message).last().unwrap(), "malformed SASLInitialResponse");
    };
    check(b"");
    check(b"SCRAM-SHA-256");
    check(b"SCRAM-SHA-256\0\0\0");
    check(b"SCRAM-SHA-256\0\0\0\0\x01");
    check(b"SCRAM-SHA-256\0\0\0\0\x01n,");
    check(b"SCRAM-SHA-256\0\xff\xff\xff\xff");
}

#[test]
fn mechanisms_are_offered_by_what_the_channel_can_do() {
    let offered = |transport| {
        let mock = MockScram::new([7; 32], 4096);
        let cleartext = CleartextPolicy::OnlyOverTls;
        let options = ServerLoginOptions { tls: ServerTls::Offered, cleartext, mock };
        let mut login = ServerLogin::new(options, transport);
        told(&mut login, STARTUP);
        login.credential(Credential::Unknown, nonce()).unwrap();
        let Ok(ServerStep::Send(bytes)) = login.step() else { panic!() };
        bytes.to_vec()
    };
    let plain = b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0".as_slice();
    let both = b"R\0\0\0\x2a\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0".as_slice();
    assert_eq!(offered(ClientTransport::Plain), plain);
    assert_eq!(offered(ClientTransport::Tls(None)), plain);
    assert_eq!(offered(ClientTransport::Tls(Some(EndPointHash::new([7; 32])))), both);
}

#[test]
fn answers_nobody_asked_for_end_the_login() {
    let misuse = |error: ServerLoginError| assert_eq!(error.fault(), crate::postgres::Fault::Host);
    misuse(login(ServerTls::Offered).tls_started(None).unwrap_err());
    misuse(login(ServerTls::Offered).credential(Credential::Unknown, nonce()).unwrap_err());
    misuse(login(ServerTls::Offered).password_checked(PasswordVerdict::Accept).unwrap_err());
    let mut login = login(ServerTls::Offered);
    told(&mut login, STARTUP);
    misuse(login.step().unwrap_err());
}

#[test]
fn closing_is_told_by_what_was_going_on() {
    let mut login = login(ServerTls::Absent);
    assert_eq!(login.closed().to_string(), "the client closed the connection before it opened a session");
    login.feed(&STARTUP[..9]);
    assert!(login.closed().to_string().ends_with("in the middle of its opening packet"));
    told(&mut login, &STARTUP[9..]);
    login.credential(Credential::Unknown, nonce()).unwrap();
    assert!(login.closed().to_string().ends_with("when it was asked for a password"));
}

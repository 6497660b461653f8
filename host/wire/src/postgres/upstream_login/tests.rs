use super::*;
use crate::postgres::error::{ErrorReport, SqlState};
use crate::postgres::names::{DatabaseName, UserName};
use crate::postgres::reply::{
    TransactionStatus, authentication, authentication_ok, parameter_status, ready_for_query,
};
use crate::postgres::secret::Password;
use crate::postgres::startup::CleartextPolicy;

fn options(tls: UpstreamTls) -> UpstreamLoginOptions {
    let mut options = UpstreamLoginOptions::new(UserName::new("u").unwrap(), DatabaseName::new("d").unwrap());
    options.tls = tls;
    options.password = Some(Password::new("pw"));
    options
}

fn login(options: UpstreamLoginOptions) -> UpstreamLogin {
    UpstreamLogin::new(options, Nonce::from_random([1; 18])).unwrap()
}

/// Steps until there is something else to do than to send.
fn drain(login: &mut UpstreamLogin) -> (Vec<u8>, Result<UpstreamStep, UpstreamLoginError>) {
    let mut sent = Vec::new();
    loop {
        match login.step() {
            Ok(UpstreamStep::Send(bytes)) => sent.extend_from_slice(&bytes),
            other => return (sent, other),
        }
    }
}

/// What a plain login says to an answer to its startup packet.
fn answer(
    options: UpstreamLoginOptions,
    input: &[u8],
) -> (Vec<u8>, Result<UpstreamStep, UpstreamLoginError>) {
    let mut login = login(options);
    drain(&mut login).1.unwrap();
    login.feed(input);
    drain(&mut login)
}

fn refusal(options: UpstreamLoginOptions, input: &[u8]) -> UpstreamLoginError {
    answer(options, input).1.unwrap_err()
}

const STARTUP: &[u8] = b"\0\0\0\x1b\0\x03\0\0user\0u\0database\0d\0\0";

#[test]
fn the_answer_to_ssl_request_is_one_byte() {
    let check = |tls: UpstreamTls, reply: &[u8], expect: Result<&str, UpstreamLoginError>| {
        let mut login = login(options(tls));
        let (sent, step) = drain(&mut login);
        assert_eq!(sent, [0, 0, 0, 8, 4, 210, 22, 47]);
        assert!(matches!(step, Ok(UpstreamStep::NeedInput)));
        login.feed(reply);
        let (sent, step) = drain(&mut login);
        let told = step.map(|step| match step {
            UpstreamStep::StartTls => "tls",
            UpstreamStep::NeedInput if sent == STARTUP => "plain",
            _ => "?",
        });
        assert_eq!(told, expect);
    };
    use UpstreamLoginError as E;
    check(UpstreamTls::Require, b"S", Ok("tls"));
    check(UpstreamTls::Prefer, b"S", Ok("tls"));
    check(UpstreamTls::Prefer, b"N", Ok("plain"));
    check(UpstreamTls::Require, b"N", Err(E::TlsUnavailable));
    check(UpstreamTls::Require, b"SR", Err(E::BytesBeforeTls));
    check(UpstreamTls::Prefer, b"NR", Err(E::BytesBeforeTls));
    check(UpstreamTls::Prefer, b"E", Err(E::ErrorBeforeTls));
    check(UpstreamTls::Prefer, b"E\0\0\0\x05\0", Err(E::ErrorBeforeTls));
    let during = "in answer to SSLRequest";
    check(UpstreamTls::Prefer, b"G", Err(E::UnexpectedMessage { tag: b'G', during }));
}

#[test]
fn bytes_in_front_of_the_handshake_are_refused() {
    let mut login = login(options(UpstreamTls::Require));
    drain(&mut login).1.unwrap();
    login.feed(b"S");
    assert!(matches!(drain(&mut login).1, Ok(UpstreamStep::StartTls)));
    login.feed(b"R");
    assert_eq!(login.tls_started(None), Err(UpstreamLoginError::BytesBeforeTls));
    assert!(login.step().is_err());
}

#[test]
fn trust_and_a_greeting() {
    let input = [
        authentication_ok(),
        parameter_status("server_version", "15.1"),
        ErrorReport::new(crate::postgres::Severity::Notice, SqlState::SUCCESSFUL_COMPLETION, "hi")
            .to_notice_response(),
        parameter_status("TimeZone", "UTC"),
        parameter_status("server_version", "15.2"),
        b"K\0\0\0\x0c\0\0\0\x07abcd".to_vec(),
        ready_for_query(TransactionStatus::Idle),
        b"rest".to_vec(),
    ]
    .concat();
    let (sent, step) = answer(options(UpstreamTls::Off), &input);
    assert_eq!(sent, b"");
    let Ok(UpstreamStep::Ready(ready)) = step else { panic!("{step:?}") };
    assert_eq!(
        ready.parameters,
        [("server_version".into(), "15.2".into()), ("TimeZone".into(), "UTC".into())]
    );
    let key = ready.key.unwrap();
    assert_eq!((key.process_id, key.key.expose()), (7, b"abcd".as_slice()));
    assert_eq!(ready.notices[0].message(), "hi");
    assert_eq!(ready.method, UpstreamMethod::Trust);
    assert_eq!(ready.leftover, b"rest");
}

#[test]
fn a_key_is_not_demanded() {
    let input = [authentication_ok(), ready_for_query(TransactionStatus::Idle)].concat();
    let (_, step) = answer(options(UpstreamTls::Off), &input);
    assert!(matches!(step, Ok(UpstreamStep::Ready(Ready { key: None, .. }))));
}

#[test]
fn a_password_in_clear_crosses_only_tls() {
    let ask = authentication(3, &[]);
    let plain = options(UpstreamTls::Off);
    assert_eq!(refusal(plain.clone(), &ask), UpstreamLoginError::CleartextNeedsTls);
    let allowed = UpstreamLoginOptions { cleartext: CleartextPolicy::AllowOnPlain, ..plain };
    assert_eq!(answer(allowed, &ask).0, b"p\0\0\0\x07pw\0");
    let tls = options(UpstreamTls::Established(None));
    assert_eq!(answer(tls.clone(), &ask).0, b"p\0\0\0\x07pw\0");
    let none = UpstreamLoginOptions { password: None, ..tls.clone() };
    assert_eq!(refusal(none, &ask), UpstreamLoginError::NoPassword);
    let nul = UpstreamLoginOptions { password: Some(Password::new("a\0b")), ..tls };
    assert_eq!(refusal(nul, &ask), UpstreamLoginError::PasswordHoldsNul);
}

#[test]
fn md5_answers_with_user_password_and_salt() {
    let (sent, _) = answer(options(UpstreamTls::Off), &authentication(5, &[1, 2, 3, 4]));
    let answer = md5_response(&UserName::new("u").unwrap(), &Password::new("pw"), [1, 2, 3, 4]);
    assert_eq!(sent, [b"p\0\0\0\x28", answer.as_bytes(), b"\0"].concat());
    assert_eq!(
        refusal(options(UpstreamTls::Off), &authentication(5, &[1, 2, 3])),
        UpstreamLoginError::Malformed("AuthenticationMD5Password")
    );
}

#[test]
fn the_mechanism_and_the_flag_tell_the_truth() {
    let hash = EndPointHash::new([7; 32]);
    let bound = UpstreamTls::Established(Some(hash.clone()));
    let unbound = UpstreamTls::Established(None);
    let no_plus = vec![UpstreamMethod::ScramSha256];
    let only_plus = vec![UpstreamMethod::ScramSha256Plus];
    let all = UpstreamMethod::ALL.to_vec();
    let check = |tls: &UpstreamTls,
                 accept: &Vec<UpstreamMethod>,
                 offer: &[u8],
                 expect: Result<&str, UpstreamLoginError>| {
        let options = UpstreamLoginOptions { accept: accept.clone(), ..options(tls.clone()) };
        let (sent, step) = answer(options, &authentication(10, offer));
        let told = step.map(|_| sent[5..].escape_ascii().to_string());
        assert_eq!(told, expect.map(str::to_owned));
    };
    use UpstreamLoginError as E;
    let both = b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0".as_slice();
    let plain = b"OAUTHBEARER\0SCRAM-SHA-256\0\0".as_slice();
    let p = r"SCRAM-SHA-256-PLUS\x00\x00\x00\x005p=tls-server-end-point,,n=,r=AQEBAQEBAQEBAQEBAQEBAQEB";
    let n = r"SCRAM-SHA-256\x00\x00\x00\x00 n,,n=,r=AQEBAQEBAQEBAQEBAQEBAQEB";
    let y = r"SCRAM-SHA-256\x00\x00\x00\x00 y,,n=,r=AQEBAQEBAQEBAQEBAQEBAQEB";
    check(&bound, &all, both, Ok(p));
    check(&bound, &all, plain, Ok(y));
    check(&bound, &no_plus, both, Ok(n));
    check(&bound, &no_plus, plain, Ok(n));
    check(&unbound, &all, both, Ok(n));
    check(&UpstreamTls::Off, &all, plain, Ok(n));
    check(&UpstreamTls::Off, &all, both, Err(E::PlusWithoutTls));
    check(&bound, &only_plus, plain, Err(E::MethodNotAccepted(UpstreamMethod::ScramSha256)));
    check(&bound, &all, b"OAUTHBEARER\0\0", Err(E::NoMechanism));
    check(&bound, &all, b"\0", Err(E::NoMechanism));
    check(&bound, &all, b"SCRAM-SHA-256\0", Err(E::Malformed("AuthenticationSASL")));
    check(&bound, &all, b"SCRAM-SHA-256\0\0x", Err(E::Malformed("AuthenticationSASL")));
}

#[test]
fn methods_that_are_not_accepted_or_known() {
    let only_scram = |tls| UpstreamLoginOptions { accept: vec![UpstreamMethod::ScramSha256], ..options(tls) };
    let check = |input: Vec<u8>, expect: UpstreamLoginError| {
        assert_eq!(refusal(only_scram(UpstreamTls::Off), &input), expect);
    };
    use UpstreamLoginError as E;
    check(authentication_ok(), E::MethodNotAccepted(UpstreamMethod::Trust));
    check(authentication(3, &[]), E::MethodNotAccepted(UpstreamMethod::Cleartext));
    check(authentication(5, &[0; 4]), E::MethodNotAccepted(UpstreamMethod::Md5));
    check(authentication(7, &[]), E::UnknownMethod { code: 7 });
    check(authentication(11, b"r=x"), E::UnknownMethod { code: 11 });
    check(b"R\0\0\0\x06\0\0".to_vec(), E::Malformed("authentication message"));
}

#[test]
fn errors_in_every_shape_end_the_login_as_errors() {
    let check = |input: &[u8], message: &str| match refusal(options(UpstreamTls::Off), input) {
        UpstreamLoginError::Refused(report) => assert_eq!(report.message(), message),
        other => panic!("{other:?}"),
    };
    let modern = ErrorReport::fatal(SqlState::TOO_MANY_CONNECTIONS, "sorry").to_error_response();
    check(&modern, "sorry");
    check(b"E\0\0\0\x04", "");
    check(b"E\0\0\0\x0dMno state", "no state");
    check(b"EFATAL:  very old\n\0", "FATAL:  very old");
    check(&[b"E".as_slice(), &[b'x'; 5000]].concat(), &"x".repeat(4096));
    check(b"E\0\0\0\0", "");
}

#[test]
fn what_has_no_place_is_refused() {
    use UpstreamLoginError as E;
    let check = |input: &[&[u8]], expect: E| {
        assert_eq!(refusal(options(UpstreamTls::Off), &input.concat()), expect);
    };
    let ok = authentication_ok();
    let startup = "in answer to the startup packet";
    let greeting = "between AuthenticationOk and ReadyForQuery";
    check(&[b"Z"], E::UnexpectedMessage { tag: b'Z', during: startup });
    check(&[b"S"], E::UnexpectedMessage { tag: b'S', during: startup });
    check(&[&ok, b"R"], E::UnexpectedMessage { tag: b'R', during: greeting });
    check(&[&ok, b"D"], E::UnexpectedMessage { tag: b'D', during: greeting });
    check(&[&ok, b"Z\0\0\0\x05T"], E::Malformed("ReadyForQuery"));
    check(&[&ok, b"Z\0\0\0\x04"], E::Malformed("ReadyForQuery"));
    check(&[&ok, b"K\0\0\0\x0b\0\0\0\x07abc"], E::Malformed("BackendKeyData"));
    check(&[&ok, b"S\0\0\0\x06a\0"], E::Malformed("ParameterStatus"));
    check(&[&ok, b"S\0\0\0\x09a\0b\0c"], E::Malformed("ParameterStatus"));
    check(&[b"R\0\x01\0\x01"], E::MessageLength { tag: b'R', length: 65_537 });
    check(&[b"R\0\0\0\x03"], E::MessageLength { tag: b'R', length: 3 });
    check(&[&ok, b"N\xff\xff\xff\xff"], E::MessageLength { tag: b'N', length: u32::MAX });
    check(&[b"v\0\0\0\x0c\0\x03\0\x02\0\0\0\0"], E::Malformed("NegotiateProtocolVersion"));
}

#[test]
fn a_needless_negotiation_is_tolerated() {
    let input = [
        b"v\0\0\0\x0c\0\x03\0\0\0\0\0\0".to_vec(),
        authentication_ok(),
        ready_for_query(TransactionStatus::Idle),
    ];
    assert!(matches!(answer(options(UpstreamTls::Off), &input.concat()).1, Ok(UpstreamStep::Ready(_))));
}

#[test]
fn an_upstream_that_talks_without_end_is_left() {
    let mut login = login(options(UpstreamTls::Off));
    drain(&mut login).1.unwrap();
    login.feed(&authentication_ok());
    let notice = typed(b'N', &[b"M".as_slice(), &vec![b'x'; 1_000_000], b"\0\0"].concat());
    for _ in 0..4 {
        login.feed(&notice);
        drain(&mut login).1.unwrap();
    }
    login.feed(&notice);
    let limit_bytes = MAX_LOGIN_BYTES;
    assert_eq!(drain(&mut login).1.unwrap_err(), UpstreamLoginError::TooTalkative { limit_bytes });
}

#[test]
fn settings_of_a_client_may_be_too_long() {
    let mut options = options(UpstreamTls::Off);
    options.parameters.push("a", "x".repeat(10_000)).unwrap();
    let result = UpstreamLogin::new(options, Nonce::from_random([1; 18]));
    assert_eq!(result.err(), Some(UpstreamLoginError::StartupTooLong));
}

#[test]
fn closing_and_misuse() {
    let mut login = login(options(UpstreamTls::Require));
    assert_eq!(login.closed(), UpstreamLoginError::Closed { during: "in answer to SSLRequest" });
    let keys = KeyRequest { salt: vec![1], iterations: 1 }.derive(&Password::new("x"));
    assert!(matches!(login.keys(&keys), Err(UpstreamLoginError::Misuse(_))));
    assert!(matches!(
        UpstreamLogin::new(options(UpstreamTls::Off), Nonce::from_random([1; 18])).unwrap().tls_started(None),
        Err(UpstreamLoginError::Misuse(_))
    ));
}

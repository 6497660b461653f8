//! The two machines against each other, and against noise.
//!
//! Each leg is the best test of the other: they share the arithmetic, not the messages.

use proptest::prelude::*;

use super::frame::typed;
use super::*;

const BINDING: [u8; 32] = [0xce; 32];
const SALT: [u8; 16] = [0x5a; 16];
const ITERATIONS: u32 = 16;

/// How the network cuts what one side sends.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Whole,
    ByteByByte,
    At(usize),
}

impl Cut {
    fn pieces(self, bytes: &[u8]) -> Vec<&[u8]> {
        match self {
            Self::Whole => vec![bytes],
            Self::ByteByByte => bytes.chunks(1).collect(),
            Self::At(place) => {
                let (head, tail) = bytes.split_at(place.min(bytes.len()));
                vec![head, tail]
            }
        }
    }
}

/// One login from both sides: `alice`, whose password is `secret`, is the only user.
struct Meeting {
    server_tls: ServerTls,
    cleartext: CleartextPolicy,
    /// What the server binds to and what the client saw: the same, unless somebody sits between.
    server_binding: Option<EndPointHash>,
    client_binding: Option<EndPointHash>,
    clear: bool,
    client: UpstreamLoginOptions,
    cut: Cut,
    /// Flip a bit of this byte of this message of the client, or of the server.
    tamper_client: Option<(usize, usize)>,
    tamper_server: Option<(usize, usize)>,
}

#[derive(Debug, Default)]
struct Outcome {
    server: Option<Result<Authenticated, ServerLoginError>>,
    client: Option<Result<Ready, UpstreamLoginError>>,
    /// Lengths of the messages each side sent.
    client_sent: Vec<usize>,
    server_sent: Vec<usize>,
    /// Everything that was asked of either host, in order on each side.
    told: Vec<String>,
}

impl Outcome {
    fn mechanism(&self) -> LoginMechanism {
        self.server.as_ref().unwrap().as_ref().unwrap().mechanism
    }

    fn method(&self) -> UpstreamMethod {
        self.client.as_ref().unwrap().as_ref().unwrap().method
    }

    fn server_error(&self) -> String {
        self.server.as_ref().unwrap().as_ref().unwrap_err().to_string()
    }

    fn client_error(&self) -> String {
        self.client.as_ref().unwrap().as_ref().unwrap_err().to_string()
    }

    fn is_let_in(&self) -> bool {
        matches!(self.server, Some(Ok(_)))
    }

    fn is_ready(&self) -> bool {
        matches!(self.client, Some(Ok(_)))
    }
}

fn meeting(tls: UpstreamTls) -> Meeting {
    let user = UserName::new("alice").unwrap();
    let database = DatabaseName::new("shop").unwrap();
    let mut client = UpstreamLoginOptions::new(user, database);
    client.parameters.push("application_name", "psql").unwrap();
    client.password = Some(Password::new("secret"));
    client.tls = tls;
    Meeting {
        server_tls: ServerTls::Offered,
        cleartext: CleartextPolicy::OnlyOverTls,
        server_binding: None,
        client_binding: None,
        clear: false,
        client,
        cut: Cut::Whole,
        tamper_client: None,
        tamper_server: None,
    }
}

impl Meeting {
    fn bound(mut self) -> Self {
        self.server_binding = Some(EndPointHash::new(BINDING));
        self.client_binding = Some(EndPointHash::new(BINDING));
        self
    }

    fn run(&self) -> Outcome {
        let options = ServerLoginOptions {
            tls: self.server_tls,
            cleartext: self.cleartext,
            mock: MockScram::new([3; 32], ITERATIONS),
        };
        let mut server = ServerLogin::new(options, ClientTransport::Plain);
        let mut client = UpstreamLogin::new(self.client.clone(), Nonce::from_random([1; 18])).unwrap();
        let mut outcome = Outcome::default();
        let mut to_client: Vec<Vec<u8>> = Vec::new();

        // Each turn: the client speaks until it has to listen, then the server does. A turn in which nobody says
        // anything is the end, whether both are content or one waits for ever.
        loop {
            let mut to_server: Vec<Vec<u8>> = Vec::new();
            for message in std::mem::take(&mut to_client) {
                for piece in self.cut.pieces(&message) {
                    client.feed(piece);
                    self.client_turn(&mut client, &mut outcome, &mut to_server);
                }
            }
            self.client_turn(&mut client, &mut outcome, &mut to_server);
            for message in &to_server {
                for piece in self.cut.pieces(message) {
                    server.feed(piece);
                    self.server_turn(&mut server, &mut outcome, &mut to_client);
                }
            }
            if to_server.is_empty() && to_client.is_empty() {
                return outcome;
            }
        }
    }

    fn client_turn(&self, client: &mut UpstreamLogin, outcome: &mut Outcome, out: &mut Vec<Vec<u8>>) {
        while outcome.client.is_none() {
            let step = client.step();
            if !matches!(step, Ok(UpstreamStep::NeedInput)) {
                outcome.told.push(format!("client: {step:?}"));
            }
            match step {
                Ok(UpstreamStep::NeedInput) => return,
                Ok(UpstreamStep::Send(bytes)) => {
                    out.push(tampered(&bytes, self.tamper_client, outcome.client_sent.len()));
                    outcome.client_sent.push(bytes.len());
                }
                Ok(UpstreamStep::StartTls) => client.tls_started(self.client_binding.clone()).unwrap(),
                Ok(UpstreamStep::NeedKeys(request)) => {
                    let password = self.client.password.clone().unwrap();
                    client.keys(&request.derive(&password)).unwrap();
                }
                Ok(UpstreamStep::Ready(ready)) => outcome.client = Some(Ok(ready)),
                Err(error) => outcome.client = Some(Err(error)),
            }
        }
    }

    fn server_turn(&self, server: &mut ServerLogin, outcome: &mut Outcome, out: &mut Vec<Vec<u8>>) {
        let mut send = |bytes: &[u8], outcome: &mut Outcome| {
            out.push(tampered(bytes, self.tamper_server, outcome.server_sent.len()));
            outcome.server_sent.push(bytes.len());
        };
        while outcome.server.is_none() {
            let step = server.step();
            if !matches!(step, Ok(ServerStep::NeedInput)) {
                outcome.told.push(format!("server: {step:?}"));
            }
            match step {
                Ok(ServerStep::NeedInput) => return,
                Ok(ServerStep::Send(bytes)) => send(&bytes, outcome),
                Ok(ServerStep::StartTls) => server.tls_started(self.server_binding.clone()).unwrap(),
                Ok(ServerStep::Cancel(_)) => panic!("nobody cancels here"),
                Ok(ServerStep::NeedCredential(request)) => {
                    assert_eq!(request.parameters.get("application_name"), Some("psql"));
                    let credential = match request.user.as_str() {
                        "alice" if self.clear => Credential::Password,
                        "alice" => Credential::Scram(alice()),
                        _ => Credential::Unknown,
                    };
                    if let Err(error) = server.credential(credential, Nonce::from_random([2; 18])) {
                        outcome.server = Some(Err(error));
                    }
                }
                Ok(ServerStep::CheckPassword(password)) => {
                    let verdict = match password.expose() {
                        b"secret" => PasswordVerdict::Accept,
                        _ => PasswordVerdict::Refuse,
                    };
                    if let Err(error) = server.password_checked(verdict) {
                        send(&error.report().to_error_response(), outcome);
                        outcome.server = Some(Err(error));
                    }
                }
                Ok(ServerStep::Authenticated(proven)) => {
                    let key = CancelKey::from_random([4; 32], proven.version);
                    if !proven.last_words.is_empty() {
                        send(&proven.last_words, outcome);
                    }
                    send(&authentication_ok(), outcome);
                    send(&parameter_status("server_version", "15.0"), outcome);
                    send(&backend_key_data(&BackendKey { process_id: 7, key }), outcome);
                    send(&ready_for_query(TransactionStatus::Idle), outcome);
                    outcome.server = Some(Ok(proven));
                }
                Err(error) => {
                    send(&error.report().to_error_response(), outcome);
                    outcome.server = Some(Err(error));
                }
            }
        }
    }
}

fn alice() -> ScramVerifier {
    ScramVerifier::derive(&Password::new("secret"), &SALT, ITERATIONS).unwrap()
}

fn tampered(bytes: &[u8], tamper: Option<(usize, usize)>, message: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some((_, place)) = tamper.filter(|(which, _)| *which == message)
        && let Some(byte) = bytes.get_mut(place)
    {
        *byte ^= 1;
    }
    bytes
}

/// Every way in, with its name on both sides.
fn ways_in() -> Vec<(Meeting, LoginMechanism, UpstreamMethod)> {
    let cleartext_over_tls = Meeting { clear: true, ..meeting(UpstreamTls::Require) };
    let mut cleartext_on_plain =
        Meeting { clear: true, cleartext: CleartextPolicy::AllowOnPlain, ..meeting(UpstreamTls::Off) };
    cleartext_on_plain.client.cleartext = CleartextPolicy::AllowOnPlain;
    let not_offered =
        Meeting { client_binding: Some(EndPointHash::new(BINDING)), ..meeting(UpstreamTls::Require) };
    let not_possible =
        Meeting { server_binding: Some(EndPointHash::new(BINDING)), ..meeting(UpstreamTls::Require) };
    let no_tls = Meeting { server_tls: ServerTls::Absent, ..meeting(UpstreamTls::Prefer) };
    use LoginMechanism as L;
    use UpstreamMethod as U;
    vec![
        (meeting(UpstreamTls::Off), L::ScramSha256, U::ScramSha256),
        (no_tls, L::ScramSha256, U::ScramSha256),
        (meeting(UpstreamTls::Require), L::ScramSha256, U::ScramSha256),
        (not_offered, L::ScramSha256, U::ScramSha256),
        (not_possible, L::ScramSha256, U::ScramSha256),
        (meeting(UpstreamTls::Require).bound(), L::ScramSha256Plus, U::ScramSha256Plus),
        (cleartext_over_tls, L::Password, U::Cleartext),
        (cleartext_on_plain, L::Password, U::Cleartext),
    ]
}

#[test]
fn every_mechanism_meets() {
    for (meeting, mechanism, method) in ways_in() {
        let outcome = meeting.run();
        assert_eq!((outcome.mechanism(), outcome.method()), (mechanism, method));
        let Some(Ok(proven)) = outcome.server else { panic!() };
        assert_eq!((proven.user.as_str(), proven.database.as_str()), ("alice", "shop"));
        assert_eq!(proven.version, ProtocolVersion::V3_0);
        let Some(Ok(ready)) = outcome.client else { panic!() };
        assert_eq!(ready.parameters, [("server_version".to_owned(), "15.0".to_owned())]);
        assert_eq!(ready.key.unwrap().key.expose(), [4; 4]);
    }
}

#[test]
fn every_cut_of_the_network_gives_the_same_conversation() {
    for (mut meeting, ..) in ways_in() {
        let whole = meeting.run();
        let longest = whole.client_sent.iter().chain(&whole.server_sent).copied().max().unwrap();
        for cut in std::iter::once(Cut::ByteByByte).chain((0..=longest).map(Cut::At)) {
            meeting.cut = cut;
            assert_eq!(meeting.run().told, whole.told, "{cut:?}");
        }
    }
}

#[test]
fn wrong_passwords_and_unknown_users_are_not_let_in_nor_told_apart() {
    for (mut meeting, mechanism, _) in ways_in() {
        meeting.client.password = Some(Password::new("Secret"));
        let wrong = meeting.run();
        meeting.client.user = UserName::new("mallory").unwrap();
        let unknown = meeting.run();
        assert!(!wrong.is_let_in() && !unknown.is_let_in());
        assert!(!wrong.is_ready() && !unknown.is_ready());
        assert_eq!(
            wrong.client_error(),
            r#"the upstream refused: FATAL 28P01: "password authentication failed for user \"alice\"""#
        );
        assert_eq!(unknown.client_error(), wrong.client_error().replace("alice", "mallory"));
        if mechanism != LoginMechanism::Password {
            let lengths = |outcome: &Outcome| outcome.server_sent[..outcome.server_sent.len() - 1].to_vec();
            assert_eq!(lengths(&wrong), lengths(&unknown));
        }
    }
}

#[test]
fn somebody_between_two_tls_connections_is_found_out() {
    let between = Meeting {
        server_binding: Some(EndPointHash::new(BINDING)),
        client_binding: Some(EndPointHash::new([0xba; 32])),
        ..meeting(UpstreamTls::Require)
    };
    let outcome = between.run();
    assert!(outcome.server_error().ends_with("the channel binding is not that of this connection"));
    assert!(!outcome.is_ready());
}

#[test]
fn one_bit_in_any_message_of_the_proof_ends_the_login() {
    for (mut meeting, mechanism, method) in ways_in() {
        if mechanism == LoginMechanism::Password {
            continue;
        }
        let honest = meeting.run();
        // The client's last two messages are client-first and client-final.
        let messages = honest.client_sent.len();
        for message in messages - 2..messages {
            for place in 0..honest.client_sent[message] {
                meeting.tamper_client = Some((message, place));
                let outcome = meeting.run();
                assert!(!outcome.is_let_in(), "byte {place} of message {message}");
                assert!(!outcome.is_ready(), "byte {place} of message {message}");
            }
        }
        meeting.tamper_client = None;
        // The server's last seven: mechanisms, server-first, server-final, ok; then the greeting. The offer of a mechanism
        // that this client cannot use anyway may be lost; a better one may not be lost unnoticed.
        let messages = honest.server_sent.len();
        for message in messages - 7..messages - 3 {
            for place in 0..honest.server_sent[message] {
                meeting.tamper_server = Some((message, place));
                let outcome = meeting.run();
                let harmless = message == messages - 7 && outcome.is_ready() && outcome.method() == method;
                assert!(harmless || !outcome.is_ready(), "byte {place} of message {message}");
            }
        }
    }
}

#[test]
fn an_upstream_without_the_verifier_is_not_believed() {
    let options = meeting(UpstreamTls::Off).client;
    let check = |answers: &[Vec<u8>], expect: &str| {
        let mut login = UpstreamLogin::new(options.clone(), Nonce::from_random([1; 18])).unwrap();
        login.feed(&reply::authentication(10, b"SCRAM-SHA-256\0\0"));
        for answer in answers {
            login.feed(answer);
        }
        loop {
            match login.step() {
                Ok(UpstreamStep::NeedKeys(request)) => {
                    login.keys(&request.derive(&Password::new("secret"))).unwrap();
                }
                Ok(UpstreamStep::Send(_)) => {}
                other => {
                    assert_eq!(other.unwrap_err().to_string(), expect);
                    return;
                }
            }
        }
    };
    let first = reply::authentication(11, b"r=AQEBAQEBAQEBAQEBAQEBAQEBx,s=AAAA,i=1");
    let out_of_turn = "unexpected message of type 'R' in the middle of SCRAM";
    check(&[authentication_ok()], out_of_turn);
    check(&[first.clone(), authentication_ok()], out_of_turn);
    check(&[first.clone(), first.clone()], out_of_turn);
    let forged = reply::authentication(12, b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    check(&[first, forged], "SCRAM failed: its signature does not fit: it does not know the password");
}

#[test]
fn grease_and_long_keys_reach_a_client_of_3_2() {
    let mock = MockScram::new([3; 32], ITERATIONS);
    let options =
        ServerLoginOptions { tls: ServerTls::Absent, cleartext: CleartextPolicy::AllowOnPlain, mock };
    let mut server = ServerLogin::new(options, ClientTransport::Plain);
    server.feed(b"\0\0\0\x30\0\x03\x27\x0fuser\0u\0_pq_.test_protocol_negotiation\0\0\0");
    let Ok(ServerStep::Send(bytes)) = server.step() else { panic!() };
    assert_eq!(*bytes, *b"v\0\0\0\x2b\0\x03\0\x02\0\0\0\x01_pq_.test_protocol_negotiation\0");
    let Ok(ServerStep::NeedCredential(request)) = server.step() else { panic!() };
    assert_eq!(request.version, ProtocolVersion::V3_2);
    assert_eq!(CancelKey::from_random([4; 32], request.version).expose().len(), 32);
}

/// Noise with a bit of sense: messages of the right types around texts that look like SCRAM.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop::collection::vec(any::<u8>(), 0..200);
    let text = prop_oneof![
        "[nyp]?(=tls-server-end-point)?,(a=x)?,n=[a-z]{0,3},r=[!-~]{0,30}".prop_map(String::into_bytes),
        "r=[!-~]{0,40},s=[A-Za-z0-9+/=]{0,24},i=[0-9]{0,10}".prop_map(String::into_bytes),
        "c=(biws|eSws),r=[!-~]{0,40},p=[A-Za-z0-9+/=]{0,44}".prop_map(String::into_bytes),
        "v=[A-Za-z0-9+/]{43}=".prop_map(String::into_bytes),
        bytes.clone(),
    ];
    let initial = text.clone().prop_map(|text| {
        let length = u32::try_from(text.len()).unwrap().to_be_bytes();
        typed(b'p', &[b"SCRAM-SHA-256\0", length.as_slice(), &text].concat())
    });
    let response = text.clone().prop_map(|text| typed(b'p', &text));
    let request = (0_u32..13, text).prop_map(|(code, text)| reply::authentication(code, &text));
    let other = ("[RSKZNEv]", bytes.clone()).prop_map(|(tag, body)| typed(tag.as_bytes()[0], &body));
    let opening = prop_oneof![
        Just(vec![0, 0, 0, 8, 4, 210, 22, 47]),
        Just(vec![0, 0, 0, 8, 4, 210, 22, 48]),
        Just(b"\0\0\0\x10\0\x03\0\0user\0u\0\0".to_vec()),
        Just(vec![b'S']),
        Just(vec![b'N']),
        Just(reply::authentication(10, b"SCRAM-SHA-256\0\0")),
    ];
    let message = prop_oneof![bytes, initial, response, request, other, opening];
    prop::collection::vec(message, 0..6).prop_map(|messages| messages.concat())
}

/// Runs a server on bytes that come in pieces; answers every question in the way that lets in whoever has a proof.
fn serve(opening: &[u8], pieces: &[&[u8]]) -> Option<ServerLoginError> {
    let mock = MockScram::new([3; 32], ITERATIONS);
    let options =
        ServerLoginOptions { tls: ServerTls::Offered, cleartext: CleartextPolicy::AllowOnPlain, mock };
    let mut server = ServerLogin::new(options, ClientTransport::Plain);
    for piece in std::iter::once(&opening).chain(pieces) {
        server.feed(piece);
        loop {
            let answered = match server.step() {
                Ok(ServerStep::NeedInput) => break,
                Ok(ServerStep::Send(_)) => Ok(()),
                Ok(ServerStep::StartTls) => server.tls_started(None),
                Ok(ServerStep::Cancel(_)) => return None,
                Ok(ServerStep::NeedCredential(_)) => {
                    server.credential(Credential::Scram(alice()), Nonce::from_random([2; 18]))
                }
                Ok(ServerStep::CheckPassword(_)) => server.password_checked(PasswordVerdict::Refuse),
                Ok(ServerStep::Authenticated(_)) => panic!("noise was let in"),
                Err(error) => Err(error),
            };
            if let Err(error) = answered {
                assert_ne!(error.fault(), Fault::Host);
                assert!(server.step().is_err());
                let _ = error.report().to_error_response();
                return Some(error);
            }
        }
    }
    None
}

/// The same for a client that demands SCRAM.
fn dial(tls: UpstreamTls, pieces: &[&[u8]]) -> Option<UpstreamLoginError> {
    let mut options = meeting(tls).client;
    options.accept = vec![UpstreamMethod::ScramSha256, UpstreamMethod::ScramSha256Plus];
    options.max_iterations = 1000;
    let mut client = UpstreamLogin::new(options, Nonce::from_random([1; 18])).unwrap();
    for piece in std::iter::once(&b"".as_slice()).chain(pieces) {
        client.feed(piece);
        loop {
            let answered = match client.step() {
                Ok(UpstreamStep::NeedInput) => break,
                Ok(UpstreamStep::Send(_)) => Ok(()),
                Ok(UpstreamStep::StartTls) => client.tls_started(None),
                Ok(UpstreamStep::NeedKeys(request)) => client.keys(&request.derive(&Password::new("secret"))),
                Ok(UpstreamStep::Ready(_)) => panic!("noise was believed"),
                Err(error) => Err(error),
            };
            if let Err(error) = answered {
                assert_ne!(error.fault(), Fault::Host);
                assert!(client.step().is_err());
                let _ = error.report().to_error_response();
                return Some(error);
            }
        }
    }
    None
}

const STARTUP: &[u8] = b"\0\0\0\x14\0\x03\0\0user\0alice\0\0";

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn noise_is_never_let_in(bytes in noise()) {
        serve(&[], &[&bytes]);
    }

    #[test]
    fn noise_after_a_startup_packet_ends_alike_however_it_is_cut(bytes in noise(), at in 0_usize..400) {
        let whole = serve(STARTUP, &[&bytes]);
        let (head, tail) = bytes.split_at(at.min(bytes.len()));
        prop_assert_eq!(&serve(STARTUP, &[head, tail]), &whole);
        prop_assert_eq!(&serve(STARTUP, &bytes.chunks(1).collect::<Vec<_>>()), &whole);
    }

    #[test]
    fn noise_is_never_believed(bytes in noise()) {
        dial(UpstreamTls::Require, &[&bytes]);
        let whole = dial(UpstreamTls::Off, &[&bytes]);
        prop_assert_eq!(&dial(UpstreamTls::Off, &bytes.chunks(1).collect::<Vec<_>>()), &whole);
    }

    #[test]
    fn noise_is_no_verifier_and_no_report(bytes in prop::collection::vec(any::<u8>(), 0..300), text in ".{0,80}") {
        let _ = UpstreamReport::parse(&bytes).to_string();
        let _ = ScramVerifier::parse(&text);
        let text = format!("SCRAM-SHA-256${text}");
        prop_assert!(ScramVerifier::parse(&text).is_err());
    }
}

//! The users file: what is read from it, and how it is changed in place.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are tests, too"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use common::Pretend;
use expect_test::expect;
use weir_config::users::{EditError, User, add, load, remove, set_password};
use weir_config::{Machine, Secret};
use weir_model::{CertificateName, PrincipalKind};

const VERIFIER: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
                        wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

const FILE: &str = r#"# Who works here.

# The first one.
[[user]]
name = "ann"   # since 2019
kind = "human"
groups = ["engineers"]

# Ann's tool.
[[user]]
name = "ann-cursor"
kind = "agent"
on_behalf_of = "ann"
disabled = true
expires = "2027-01-01"
"#;

fn user(name: &str) -> User {
    User {
        name: name.into(),
        kind: PrincipalKind::Human,
        groups: vec!["engineers".into(), "leads".into()],
        on_behalf_of: None,
        password: Some(Secret::new(VERIFIER, "test")),
        tokens: false,
        certificates: Vec::new(),
        disabled: false,
        expires: None,
    }
}

struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new(text: &str) -> Self {
        let home = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(home.path(), text).unwrap();
        home
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("users.toml")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }
}

#[test]
fn users_are_read() {
    let world = Pretend::new().with_file("users.toml", FILE, 0o600);
    let (users, warnings) = load(Path::new("users.toml"), &world).unwrap();
    assert!(warnings.is_empty());
    let [ann, agent] = users.as_slice() else { panic!("{users:?}") };
    assert_eq!(
        (ann.name.as_str(), ann.kind, ann.disabled, ann.expires),
        ("ann", PrincipalKind::Human, false, None)
    );
    assert_eq!(agent.on_behalf_of.as_deref(), Some("ann"));
    assert!(agent.disabled);
    assert_eq!(agent.expires, Some(UNIX_EPOCH + Duration::from_secs(1_798_761_600)));
}

#[test]
fn a_user_is_added_at_the_end_and_the_rest_stays() {
    let home = Home::new(FILE);
    add(&home.path(), &user("zoe")).unwrap();
    let text = home.text();
    let added = text.strip_prefix(FILE).unwrap();
    expect![[r#"

        [[user]]
        name = "zoe"
        kind = "human"
        groups = ["engineers", "leads"]
        password = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    "#]]
    .assert_eq(added);
    let (users, _) = load(&home.path(), &Machine).unwrap();
    assert_eq!(users[2], user("zoe"));
    assert!(matches!(add(&home.path(), &user("ann")), Err(EditError::Exists(name)) if name == "ann"));
}

#[test]
fn what_is_written_is_what_is_read() {
    let home = Home::new(FILE);
    let agent = User {
        kind: PrincipalKind::Agent,
        groups: Vec::new(),
        on_behalf_of: Some("ann".into()),
        password: None,
        tokens: true,
        certificates: vec![CertificateName::parse("uri:spiffe://example.org/codex").unwrap()],
        disabled: true,
        expires: Some(UNIX_EPOCH + Duration::from_secs(1_800_000_000)),
        ..user("ann-codex")
    };
    add(&home.path(), &agent).unwrap();
    assert_eq!(load(&home.path(), &Machine).unwrap().0[2], agent);
}

#[test]
fn the_file_is_made_and_only_its_owner_may_read_it() {
    let home = Home::new("");
    fs::remove_file(home.path()).unwrap();
    add(&home.path(), &user("ann")).unwrap();
    assert_eq!(load(&home.path(), &Machine).unwrap().0.len(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(home.path()).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o644)).unwrap();
        add(&home.path(), &user("bob")).unwrap();
        assert_eq!(fs::metadata(home.path()).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(fs::read_dir(home.folder.path()).unwrap().count(), 1, "something is left beside it");
}

#[test]
fn a_user_is_removed_with_the_comment_above() {
    let home = Home::new(FILE);
    remove(&home.path(), "ann-cursor").unwrap();
    assert_eq!(home.text(), FILE.split("\n# Ann's tool.").next().unwrap());
    assert!(matches!(remove(&home.path(), "zoe"), Err(EditError::Unknown(name)) if name == "zoe"));
}

#[test]
fn nobody_is_removed_for_whom_an_agent_acts() {
    let home = Home::new(FILE);
    let error = remove(&home.path(), "ann").unwrap_err();
    assert!(matches!(&error, EditError::ActedFor { agent, .. } if agent == "ann-cursor"), "{error}");
    assert_eq!(home.text(), FILE);
}

#[test]
fn a_password_is_set_and_replaced_in_place() {
    let home = Home::new(FILE);
    set_password(&home.path(), "ann", &Secret::new(VERIFIER, "test")).unwrap();
    let line = format!("groups = [\"engineers\"]\npassword = \"{VERIFIER}\"\n");
    assert_eq!(home.text(), FILE.replace("groups = [\"engineers\"]\n", &line));
    let text = home.text().replace("l2dU=\"", "l2dU=\" # old");
    fs::write(home.path(), &text).unwrap();
    let other = VERIFIER.replace("4096", "8192");
    set_password(&home.path(), "ann", &Secret::new(other.as_str(), "test")).unwrap();
    assert_eq!(home.text(), text.replace(VERIFIER, &other));
    let plain = set_password(&home.path(), "ann", &Secret::new("hunter2", "test"));
    let Err(EditError::WouldBreak(problems)) = plain else { panic!() };
    assert!(!problems.to_string().contains("hunter2"));
}

#[test]
fn a_list_in_one_line_is_changed_too() {
    let home = Home::new("user = [{ name = \"ann\", kind = \"human\" }] # all\n");
    add(&home.path(), &user("bob")).unwrap();
    set_password(&home.path(), "ann", &Secret::new(VERIFIER, "test")).unwrap();
    let (users, _) = load(&home.path(), &Machine).unwrap();
    assert_eq!(users.iter().map(|user| user.password.is_some()).collect::<Vec<_>>(), [true, true]);
    remove(&home.path(), "ann").unwrap();
    assert_eq!(load(&home.path(), &Machine).unwrap().0[0].name, "bob");
    assert!(home.text().ends_with("# all\n"));
}

#[test]
fn a_broken_file_is_not_touched() {
    let home = Home::new("[[user]]\nname = 5\n");
    assert!(matches!(add(&home.path(), &user("ann")), Err(EditError::Broken(_))));
    assert_eq!(home.text(), "[[user]]\nname = 5\n");
}

#[test]
fn edits_at_once_lose_nobody() {
    let home = Home::new("");
    std::thread::scope(|scope| {
        for index in 0..8 {
            let path = home.path();
            scope.spawn(move || add(&path, &user(&format!("user-{index}"))).unwrap());
        }
    });
    assert_eq!(load(&home.path(), &Machine).unwrap().0.len(), 8);
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link() {
    let home = Home::new(FILE);
    let link = home.folder.path().join("link.toml");
    std::os::unix::fs::symlink(home.path(), &link).unwrap();
    add(&link, &user("zoe")).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(home.text().contains("zoe"));
}

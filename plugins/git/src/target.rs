//! What a request is about, told from its first line: which repository, and which of git's services.

use weir_sdk::Fault;
use weir_sdk::http::{Header, Line, RequestHead};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    UploadPack,
    ReceivePack,
}

impl Service {
    pub fn name(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// `GET …/info/refs?service=…`
    Refs(Service),
    /// `POST …/git-upload-pack`, `POST …/git-receive-pack`
    Call(Service),
}

/// A repository. `git http-backend` serves the same one as `team/app`, `team/app.git` and `team/app/.git`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// `team/app` for all three: no way round a rule by another spelling
    pub name: String,
    /// as the client wrote it, decoded
    pub spelled: String,
}

impl Repository {
    /// # Errors
    /// When it may be a repository that has another name.
    fn read(spelled: &str) -> Result<Self, Fault> {
        if is_worktree(spelled) {
            let message = "a linked worktree is no repository: use the address of its repository";
            return Err(Fault::new("git-path", message));
        }
        Ok(Self::new(spelled))
    }

    fn new(spelled: &str) -> Self {
        let name = spelled.strip_suffix("/.git").unwrap_or(spelled);
        let name = match name.strip_suffix(".git") {
            Some(short) if !short.is_empty() && !short.ends_with('/') => short,
            _ => name,
        };
        let name = if name.is_empty() { "/" } else { name };
        Self { name: name.to_owned(), spelled: spelled.to_owned() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub repository: Repository,
    pub door: Door,
}

/// # Errors
/// For whatever is not one of the four requests of smart HTTP, and for paths that another reader could take for others.
pub fn read(head: &RequestHead) -> Result<Target, Fault> {
    let path = decode(&head.path)?;
    let services = [Service::UploadPack, Service::ReceivePack];
    for service in services {
        if let Some(repository) = before(&path, service.name()) {
            return call(head, service, repository);
        }
    }
    let Some(repository) = before(&path, "info/refs") else {
        return Err(if path.contains("/info/lfs/") {
            let message =
                "Git LFS is not served here: give its files an address of their own (git config lfs.url)";
            Fault::new("git-lfs", message)
        } else if is_dumb(&path) {
            dumb()
        } else {
            Fault::new("git-path", "this is no address of a git repository's services")
        });
    };
    if head.method != "GET" || head.has_body {
        return Err(Fault::new("git-method", "refs are asked for by GET, without a body"));
    }
    let wanted = head.query.as_deref().and_then(|query| query.strip_prefix("service="));
    match (wanted, services.into_iter().find(|service| wanted == Some(service.name()))) {
        (_, Some(service)) => {
            Ok(Target { repository: Repository::read(repository)?, door: Door::Refs(service) })
        }
        (None, None) if head.query.is_none() => Err(dumb()),
        _ => Err(Fault::new("git-service", "only git-upload-pack and git-receive-pack can be asked for")),
    }
}

fn call(head: &RequestHead, service: Service, repository: &str) -> Result<Target, Fault> {
    if head.method != "POST" || !head.has_body || head.query.is_some() {
        let message = format!("{} is called by POST, with a body and without a query", service.name());
        return Err(Fault::new("git-method", message));
    }
    let mut types = head.headers.iter().filter(|header| header.name == "content-type");
    let wanted = format!("application/x-{}-request", service.name());
    match (types.next(), types.next()) {
        (Some(one), None) if one.value == wanted => {
            Ok(Target { repository: Repository::read(repository)?, door: Door::Call(service) })
        }
        _ => Err(Fault::new("git-content-type", format!("the content type must be {wanted}"))),
    }
}

/// Pushes have no version 2. git never asks for one; whoever does gets what is spoken here, also from a server that has
/// learnt another one by then.
pub fn unspoken_version(head: &RequestHead, door: Door) -> Vec<Header> {
    let (Door::Refs(service) | Door::Call(service)) = door;
    let mut asked = head.headers.iter().filter(|header| header.name == "git-protocol");
    let spoken = |header: Line<'_>| matches!(header.value, "version=0" | "version=1");
    match service == Service::ReceivePack && !asked.all(spoken) {
        true => vec![Header { name: "git-protocol".to_owned(), value: String::new() }],
        false => Vec::new(),
    }
}

/// The repository in `/REPOSITORY/END`.
fn before<'a>(path: &'a str, end: &str) -> Option<&'a str> {
    let repository = path.strip_suffix(end)?.strip_suffix('/')?;
    match repository.strip_prefix('/') {
        Some(repository) => Some(repository),
        None => repository.is_empty().then_some(""),
    }
}

/// Files that clients read one by one when there is no smart server: nobody could tell what they are after.
fn is_dumb(path: &str) -> bool {
    path.ends_with("/HEAD") || path.contains("/objects/")
}

fn dumb() -> Fault {
    Fault::new("git-dumb", "only git's smart HTTP protocol is spoken here: use git 1.6.6 or newer")
}

/// `…/worktrees/NAME`: where a linked worktree keeps its own files, git serves the whole repository, refs and all.
fn is_worktree(repository: &str) -> bool {
    let mut segments = repository.split('/').skip(1);
    segments.any(|segment| segment.eq_ignore_ascii_case("worktrees")) && segments.next().is_some()
}

/// # Errors
/// When a path could be read in two ways: empty or dot segments, encoded separators, bytes that are no plain text.
fn decode(path: &str) -> Result<String, Fault> {
    let refused = || Fault::new("git-path", "this path could be read in more than one way");
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else { return Err(refused()) };
        let byte = high * 16 + low;
        // Separators and dots are never encoded by honest clients; `%` would be decoded again by some servers.
        if matches!(byte, b'/' | b'\\' | b'.' | b'%' | b'?' | b'#' | b';') {
            return Err(refused());
        }
        bytes.push(byte);
    }
    let decoded = String::from_utf8(bytes).map_err(|_| refused())?;
    let Some(inside) = decoded.strip_prefix('/') else { return Err(refused()) };
    let plain = !decoded.chars().any(|letter| letter.is_control() || letter == '\\' || letter == ';');
    let apart = inside.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
    if plain && apart { Ok(decoded) } else { Err(refused()) }
}

fn digit(byte: Option<u8>) -> Option<u8> {
    char::from(byte?).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(method: &str, path: &str, query: Option<&str>) -> RequestHead {
        let service = path.rsplit('/').next().unwrap();
        RequestHead {
            method: method.to_owned(),
            authority: "git.example".to_owned(),
            path: path.to_owned(),
            query: query.map(str::to_owned),
            headers: [("content-type", format!("application/x-{service}-request"))].into_iter().collect(),
            has_body: method == "POST",
            length: None,
        }
    }

    fn found(method: &str, path: &str, query: Option<&str>) -> Result<(String, Door), String> {
        read(&head(method, path, query))
            .map(|target| (target.repository.name, target.door))
            .map_err(|why| why.code)
    }

    #[test]
    fn the_four_requests_are_known() {
        let refs = |service| Some(["service=git-upload-pack", "service=git-receive-pack"][service]);
        assert_eq!(
            found("GET", "/team/app.git/info/refs", refs(0)),
            Ok(("team/app".to_owned(), Door::Refs(Service::UploadPack)))
        );
        assert_eq!(
            found("GET", "/team/app/info/refs", refs(1)),
            Ok(("team/app".to_owned(), Door::Refs(Service::ReceivePack)))
        );
        assert_eq!(
            found("POST", "/a%20b/.git/git-upload-pack", None),
            Ok(("a b".to_owned(), Door::Call(Service::UploadPack)))
        );
        assert_eq!(
            found("POST", "/git-receive-pack", None),
            Ok(("/".to_owned(), Door::Call(Service::ReceivePack)))
        );
    }

    #[test]
    fn a_repository_has_one_name() {
        for (spelled, name) in [
            ("team/app", "team/app"),
            ("team/app.git", "team/app"),
            ("team/app/.git", "team/app"),
            ("team/app.git/.git", "team/app"),
            (".git", ".git"),
            ("a/.git", "a"),
            ("a.gitx", "a.gitx"),
            ("", "/"),
        ] {
            assert_eq!(Repository::new(spelled).name, name, "{spelled}");
        }
    }

    #[test]
    fn paths_with_two_readings_are_refused() {
        for path in [
            "/team//app/git-receive-pack",
            "/team/../app/git-receive-pack",
            "/team/./app/git-receive-pack",
            "/team%2fapp/git-receive-pack",
            "/team%2Fapp/git-receive-pack",
            "/team/%2e%2e/app/git-receive-pack",
            "/team%5capp/git-receive-pack",
            "/team\\app/git-receive-pack",
            "/team%00/git-receive-pack",
            "/team%0a/git-receive-pack",
            "/team%252fapp/git-receive-pack",
            "/team;x/git-receive-pack",
            "/team%/git-receive-pack",
            "/team%4/git-receive-pack",
            "/team%zz/git-receive-pack",
            "/team%ff/git-receive-pack",
            "team/git-receive-pack",
            "//git-receive-pack",
        ] {
            assert_eq!(found("POST", path, None), Err("git-path".to_owned()), "{path}");
        }
    }

    /// A real git pushes to `team/app` there.
    #[test]
    fn a_linked_worktree_is_no_second_name() {
        for path in [
            "/team/app.git/worktrees/w/git-receive-pack",
            "/app/worktrees/w/git-receive-pack",
            "/app/.git/worktrees/w/.git/git-receive-pack",
            "/app.git/Worktrees/w/git-receive-pack",
            "/app.git/worktrees/worktrees/git-receive-pack",
        ] {
            assert_eq!(found("POST", path, None), Err("git-path".to_owned()), "{path}");
        }
        for path in [
            "/worktrees/app/git-receive-pack",
            "/team/worktrees/git-receive-pack",
            "/worktrees/git-receive-pack",
        ] {
            found("POST", path, None).unwrap();
        }
        found("GET", "/team/worktrees/info/refs", Some("service=git-receive-pack")).unwrap();
    }

    #[test]
    fn other_requests_are_refused() {
        let check = |method, path, query: Option<&str>, code: &str| {
            assert_eq!(found(method, path, query), Err(code.to_owned()), "{method} {path} {query:?}");
        };
        check("GET", "/app/info/refs", None, "git-dumb");
        check("GET", "/app/HEAD", None, "git-dumb");
        check("GET", "/app/objects/info/packs", None, "git-dumb");
        check("GET", "/app/objects/aa/bb", None, "git-dumb");
        check("GET", "/app/info/refs", Some(""), "git-service");
        check("GET", "/app/info/refs", Some("service=git-upload-archive"), "git-service");
        check(
            "GET",
            "/app/info/refs",
            Some("service=git-upload-pack&service=git-receive-pack"),
            "git-service",
        );
        check("GET", "/app/info/refs", Some("x=1&service=git-upload-pack"), "git-service");
        check("POST", "/app/info/refs", Some("service=git-upload-pack"), "git-method");
        check("HEAD", "/app/info/refs", Some("service=git-upload-pack"), "git-method");
        check("GET", "/app/git-upload-pack", None, "git-method");
        check("POST", "/app/git-receive-pack", Some("a=b"), "git-method");
        check("POST", "/app/git-receive-pack/", None, "git-path");
        check("POST", "/app/xgit-receive-pack", None, "git-path");
        check("POST", "/app/git-upload-archive", None, "git-path");
        check("GET", "/", None, "git-path");
        check("GET", "/app", None, "git-path");
        check("POST", "/app/info/lfs/objects/batch", None, "git-lfs");
    }

    #[test]
    fn pushes_have_no_version_2() {
        let door = Door::Call(Service::ReceivePack);
        for (value, taken) in [("version=1", 0), ("version=0", 0), ("version=2", 1), ("a:version=2", 1)] {
            let mut head = head("POST", "/app/git-receive-pack", None);
            assert!(unspoken_version(&head, door).is_empty());
            head.headers.push("git-protocol", value);
            let changed = unspoken_version(&head, door);
            assert_eq!(changed.len(), taken, "{value}");
            assert!(changed.iter().all(|header| header.name == "git-protocol" && header.value.is_empty()));
            assert!(unspoken_version(&head, Door::Call(Service::UploadPack)).is_empty());
        }
    }

    #[test]
    fn the_content_type_must_be_the_services() {
        let mut wrong = head("POST", "/app/git-receive-pack", None);
        wrong.headers = [("content-type", "application/x-git-upload-pack-request")].into_iter().collect();
        assert_eq!(read(&wrong).unwrap_err().code, "git-content-type");
        wrong.headers = Default::default();
        assert_eq!(read(&wrong).unwrap_err().code, "git-content-type");
        let mut twice = head("POST", "/app/git-receive-pack", None);
        twice.headers.push("content-type", "application/x-git-receive-pack-request");
        assert_eq!(read(&twice).unwrap_err().code, "git-content-type");
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_has_no_strange_segments(path in "[/a.%25eEfF\\\\]{0,20}/git-receive-pack") {
            if let Ok(target) = read(&head("POST", &path, None)) {
                let spelled = target.repository.spelled;
                prop_assert!(spelled.is_empty() || spelled.split('/').all(|part| !["", ".", ".."].contains(&part)));
            }
        }
    }
}

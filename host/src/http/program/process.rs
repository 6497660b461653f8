//! One running program: started with little, spoken to in lines, and ended with everything it has started.

use super::calls::{Calls, Over};
use super::message::Message;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, getrlimit, kill_process_group, setrlimit, waitid,
};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use weir_config::settings::{Program, Variable};

/// What a program inherits of the gateway's environment.
const INHERITED: [&str; 3] = ["PATH", "HOME", "LANG"];
/// Files and sockets that it may have open.
const OPEN_FILES: u64 = 4096;
/// Lines on their way to it; then whoever has another one waits.
const LINES: usize = 16;
/// After the end of its input, and again after SIGTERM.
const GRACE: Duration = Duration::from_secs(1);
/// Of a line of its standard error, so much is logged, and so many lines of one program.
const LOGGED_BYTES: usize = 200;
const LOGGED_LINES: u32 = 50;
/// What is said of one that went by itself.
const ENDED: &str = "the program has ended";

pub(super) struct Process {
    lines: mpsc::Sender<String>,
    calls: Mutex<Calls>,
    /// Why it is to end.
    ending: watch::Sender<Option<String>>,
    /// Whether nothing of it is left.
    gone: watch::Sender<bool>,
    /// Whether requests have gone to it, so that what it logs could have their values.
    busy: AtomicBool,
    shared: bool,
    used: Mutex<Instant>,
    resource: String,
}

impl Process {
    /// `most`: bytes of a line.
    ///
    /// # Errors
    /// When it does not start.
    pub(super) fn start(
        settings: &Program,
        folder: &Path,
        resource: &str,
        most: usize,
        shared: bool,
    ) -> std::io::Result<Arc<Self>> {
        // Before there is a child, so that no end of one is missed.
        let children = signal(SignalKind::child())?;
        let mut child = command(settings, folder)?.spawn()?;
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(pid), (Some(stdin), Some(stdout), Some(stderr))) = (pid, pipes) else {
            return Err(std::io::Error::other("it has no pipes"));
        };
        let (lines, to_write) = mpsc::channel(LINES);
        let process = Arc::new(Self {
            lines,
            calls: Mutex::new(Calls::new(shared)),
            ending: watch::Sender::new(None),
            gone: watch::Sender::new(false),
            busy: AtomicBool::new(false),
            shared,
            used: Mutex::new(Instant::now()),
            resource: resource.to_owned(),
        });
        tracing::debug!(resource, pid = pid.as_raw_nonzero().get(), "a program was started");
        tokio::spawn(Arc::clone(&process).write(stdin, to_write));
        let reading = tokio::spawn(Arc::clone(&process).read(stdout, most));
        tokio::spawn(Arc::clone(&process).log(stderr));
        tokio::spawn(Arc::clone(&process).keep(child, pid, children, reading));
        Ok(process)
    }

    pub(super) fn calls(&self) -> MutexGuard<'_, Calls> {
        lock(&self.calls)
    }

    /// Cancel safe: the line is on its way, or not at all.
    pub(super) async fn say(&self, line: String) -> Result<(), Over> {
        *lock(&self.used) = Instant::now();
        self.lines.send(line).await.map_err(|_| Over(ENDED.to_owned()))
    }

    /// A request goes to it that is more than the handshake.
    pub(super) fn works(&self) {
        self.busy.store(true, Ordering::Release);
    }

    /// Whoever asked for this answer has gone.
    pub(super) fn hung_up(&self, own: u64) {
        // In versions with sessions hanging up is no cancelling; in those without it is.
        if self.calls().forget(own) && self.shared {
            let cancelled = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{own},"reason":"the client has hung up"}}}}"#
            );
            // A program that does not even read misses it.
            let _ = self.lines.try_send(cancelled);
        }
    }

    /// How long nobody has asked it anything; `None` while somebody waits.
    pub(super) fn quiet_for(&self) -> Option<Duration> {
        self.calls().is_quiet().then(|| lock(&self.used).elapsed())
    }

    pub(super) fn is_over(&self) -> bool {
        self.ending.borrow().is_some()
    }

    /// Ends it; does not wait for that.
    pub(super) fn end(&self, why: &str) {
        self.ending.send_if_modified(|ending| {
            let first = ending.is_none();
            ending.get_or_insert_with(|| why.to_owned());
            first
        });
    }

    /// Nothing of it is left.
    pub(super) async fn gone(&self) {
        // The sender lives as long as the program.
        let _ = self.gone.subscribe().wait_for(|gone| *gone).await;
    }

    async fn ended(&self) {
        let _ = self.ending.subscribe().wait_for(Option::is_some).await;
    }

    async fn write(self: Arc<Self>, mut stdin: ChildStdin, mut lines: mpsc::Receiver<String>) {
        let all = async {
            while let Some(mut line) = lines.recv().await {
                line.push('\n');
                if stdin.write_all(line.as_bytes()).await.is_err() {
                    return self.end("the program does not read its input any more");
                }
            }
        };
        tokio::select! {
            () = all => {}
            () = self.ended() => {}
        }
    }

    async fn read(self: Arc<Self>, stdout: ChildStdout, most: usize) {
        let mut stdout = BufReader::new(stdout);
        let mut garbage = 0_u64;
        loop {
            match line(&mut stdout, most).await {
                Ok(Some(line)) if line.trim_ascii().is_empty() => {}
                Ok(Some(line)) => {
                    match std::str::from_utf8(&line).ok().and_then(|text| Message::read(text).ok()) {
                        Some(message) => self.calls().heard(&message),
                        None => {
                            garbage += 1;
                            // Not the line: it could have values. Each time when there is a digit more.
                            if garbage == 10_u64.pow(garbage.ilog10()) {
                                tracing::warn!(
                                    resource = self.resource,
                                    lines = garbage,
                                    "a program writes what is no message to its standard output"
                                );
                            }
                        }
                    }
                }
                Ok(None) => return self.end(ENDED),
                Err(error) => return self.end(&format!("the program cannot be read: {error}")),
            }
        }
    }

    /// What it says before it works is for whoever set it up; what it says then could have values, and is counted.
    async fn log(self: Arc<Self>, stderr: ChildStderr) {
        let mut stderr = BufReader::new(stderr);
        let (mut shown, mut kept_back) = (0, 0_u64);
        while let Ok(Some(line)) = cut_line(&mut stderr, LOGGED_BYTES).await {
            if shown < LOGGED_LINES && !self.busy.load(Ordering::Acquire) {
                shown += 1;
                let text = String::from_utf8_lossy(&line);
                tracing::info!(
                    resource = self.resource,
                    "a program says: {}",
                    text.trim_end().escape_debug()
                );
            } else {
                kept_back += 1;
            }
        }
        if kept_back > 0 {
            tracing::info!(
                resource = self.resource,
                lines = kept_back,
                "what a program said on its standard error was not logged"
            );
        }
    }

    /// Waits for its end, or makes it, and takes with it all that it has started.
    async fn keep(
        self: Arc<Self>,
        mut child: Child,
        pid: Pid,
        mut children: Signals,
        reading: JoinHandle<()>,
    ) {
        let asked = tokio::select! {
            () = left(pid, &mut children) => false,
            () = self.ended() => true,
        };
        if !asked {
            self.end(ENDED);
        } else {
            // Its input ends first: that is how it is told (MCP, "Shutdown" of stdio).
            if tokio::time::timeout(GRACE, left(pid, &mut children)).await.is_err() {
                let _ = kill_process_group(pid, Signal::TERM);
                let _ = tokio::time::timeout(GRACE, left(pid, &mut children)).await;
            }
        }
        // Before it is reaped, so that the number of its group is still its own.
        let _ = kill_process_group(pid, Signal::KILL);
        let status = child.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string());
        let why = self.ending.borrow().clone().unwrap_or_default();
        // What it said last counts, unless somebody who left its group keeps the pipe.
        let _ = tokio::time::timeout(GRACE, reading).await;
        self.calls().over(&why);
        if why == ENDED {
            tracing::warn!(resource = self.resource, status, "a program has ended by itself");
        } else {
            tracing::debug!(resource = self.resource, status, why, "a program was ended");
        }
        self.gone.send_replace(true);
    }
}

fn command(settings: &Program, folder: &Path) -> std::io::Result<Command> {
    let [program, arguments @ ..] = settings.command.as_slice() else {
        return Err(std::io::Error::other("there is no command"));
    };
    let inherited = INHERITED.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    let own = settings.env.iter().map(|(name, value)| match value {
        Variable::Plain(text) => (name, text.as_str()),
        Variable::Secret(secret) => (name, secret.expose()),
    });
    let memory = settings.memory;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(inherited).envs(own).current_dir(folder).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    #[allow(unsafe_code, reason = "limits have to be set between fork and exec; see the SAFETY comment")]
    // SAFETY: between fork and exec only system calls are made; nothing is allocated and no lock is taken.
    unsafe {
        command.pre_exec(move || {
            let limit = |what, most: u64| {
                let hard = getrlimit(what).maximum.unwrap_or(most).min(most);
                setrlimit(what, Rlimit { current: Some(hard), maximum: Some(hard) })
            };
            // What it has in memory is not written to a disk.
            setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
            // Not of addresses (RLIMIT_AS): runtimes reserve far more of these than they ever use.
            limit(Resource::Data, memory)?;
            Ok(limit(Resource::Nofile, OPEN_FILES)?)
        });
    }
    Ok(command)
}

/// Resolves when the child has ended, and does not reap it.
async fn left(pid: Pid, children: &mut Signals) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    while let Ok(None) = waitid(WaitId::Pid(pid), options) {
        if children.recv().await.is_none() {
            return;
        }
    }
}

/// The next line without its end; `None` behind the last. What has no line end is no line.
async fn line(from: &mut (impl AsyncBufRead + Unpin), most: usize) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    loop {
        let bytes = from.fill_buf().await?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (part, used) = bytes
            .split_at_checked(end.unwrap_or(bytes.len()))
            .map_or((bytes, bytes.len()), |(part, _)| (part, end.map_or(part.len(), |end| end + 1)));
        if line.len() + part.len() > most {
            return Err(std::io::Error::other(format!("a line is longer than {most} bytes")));
        }
        line.extend_from_slice(part);
        from.consume(used);
        if end.is_some() {
            return Ok(Some(line));
        }
    }
}

/// The same, but the rest of a longer line is left out.
async fn cut_line(from: &mut (impl AsyncBufRead + Unpin), most: usize) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    loop {
        let bytes = from.fill_buf().await?;
        if bytes.is_empty() {
            return Ok((!line.is_empty()).then_some(line));
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let part = end.unwrap_or(bytes.len());
        let room = most.saturating_sub(line.len()).min(part);
        line.extend_from_slice(bytes.get(..room).unwrap_or_default());
        from.consume(end.map_or(part, |end| end + 1));
        if end.is_some() {
            return Ok(Some(line));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_cut_where_they_end_and_too_long_ones_are_refused() {
        let mut from = BufReader::with_capacity(2, &b"ab\n\nabcd\nno end"[..]);
        for expected in [&b"ab"[..], b"", b"abcd"] {
            assert_eq!(line(&mut from, 4).await.unwrap().as_deref(), Some(expected));
        }
        assert_eq!(line(&mut from, 10).await.unwrap(), None);
        assert!(line(&mut BufReader::with_capacity(2, &b"abcde\n"[..]), 4).await.is_err());
        let mut from = BufReader::with_capacity(2, &b"abcdef\ngh"[..]);
        assert_eq!(cut_line(&mut from, 3).await.unwrap().as_deref(), Some(&b"abc"[..]));
        assert_eq!(cut_line(&mut from, 3).await.unwrap().as_deref(), Some(&b"gh"[..]));
        assert_eq!(cut_line(&mut from, 3).await.unwrap(), None);
    }
}

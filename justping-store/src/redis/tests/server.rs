//! A throw-away Redis on a socket of its own. Depends on nothing of the crate, so that benches and
//! other crates' tests can include it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// The program of the Debian package of the same name.
pub(crate) const PROGRAM: &str = "redis-server";

/// Runs the server until the standard input ends, which it does when this program does, however
/// that comes about. The folder goes as well unless it is to be kept.
pub(crate) const WATCH: &str = r#"
trap '' INT TERM HUP
"$2" "$1/redis.conf" </dev/null 2>&1 &
echo "pid $!"
read -r word
kill -KILL $!
wait $! 2>/dev/null
[ "$word" = keep ] || rm -rf "$1"
"#;

/// Whether what the server was told survives its death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Memory {
    Forgets,
    Lasts,
}

/// A server that dies with this value, and with this program.
#[derive(Debug)]
pub(crate) struct RedisServer {
    folder: PathBuf,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
pub(crate) struct Running {
    watch: Child,
    pid: u32,
}

/// The server that most tests share: they differ in the prefix of their keys.
pub(crate) fn shared() -> &'static RedisServer {
    static SERVER: OnceLock<RedisServer> = OnceLock::new();
    SERVER.get_or_init(|| RedisServer::start(Memory::Forgets))
}

impl RedisServer {
    pub(crate) fn start(memory: Memory) -> Self {
        let folder = tempfile::tempdir().unwrap().keep();
        let path = folder.display();
        let appends = if memory == Memory::Lasts { "yes" } else { "no" };
        let settings = format!(
            "port 0\nunixsocket {path}/redis.sock\ndir {path}\nsave \"\"\nappendonly {appends}\nappendfsync always\n\
            daemonize no\nlogfile \"\"\n"
        );
        std::fs::write(folder.join("redis.conf"), settings).unwrap();
        let server = Self { folder, running: Mutex::default() };
        server.restart();
        server
    }

    /// The address of the server.
    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("redis.sock")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running.lock().unwrap().as_ref().expect("the server runs").pid
    }

    /// Ends the server as a power cut would; its folder stays.
    pub(crate) fn kill(&self) {
        if let Some(running) = self.running.lock().unwrap().take() {
            stop(running, "keep\n");
        }
    }

    /// Starts the server again after [`kill`](Self::kill), on the same socket.
    pub(crate) fn restart(&self) {
        let running = watched(&self.folder, PROGRAM).unwrap_or_else(|why| panic!("{why}"));
        verify(&self.socket(), running.pid).unwrap_or_else(|why| panic!("{why}"));
        *self.running.lock().unwrap() = Some(running);
    }

    /// Makes the server forget everything.
    pub(crate) fn flush(&self) {
        assert!(say(&self.socket(), "FLUSHALL").unwrap().starts_with("+OK"));
    }

    /// Makes the server stop in its tracks: connections stay open, and nothing is answered.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Ends [`freeze`](Self::freeze).
    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        match self.running.get_mut().unwrap().take() {
            Some(running) => stop(running, ""),
            None => drop(std::fs::remove_dir_all(&self.folder)),
        }
    }
}

fn stop(mut running: Running, word: &str) {
    if let Some(mut pipe) = running.watch.stdin.take() {
        // Fails only when the watch has ended, which is what is wanted.
        drop(pipe.write_all(word.as_bytes()));
    }
    drop(running.watch.wait());
}

/// Starts `program` and returns when it takes connections.
pub(crate) fn watched(folder: &Path, program: &str) -> Result<Running, String> {
    let missing = |_| {
        format!("these tests need the program {program}: install the Debian package redis-server")
    };
    Command::new(program).arg("--version").stdout(Stdio::null()).status().map_err(missing)?;
    let mut command = Command::new("sh");
    command.args(["-c", WATCH, "watch"]).arg(folder).arg(program);
    command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut watch = command.spawn().map_err(|error| error.to_string())?;
    let mut lines = BufReader::new(watch.stdout.take().ok_or("no pipe")?).lines();
    let first = lines.next().and_then(Result::ok).unwrap_or_default();
    let pid = first.strip_prefix("pid ").and_then(|pid| pid.parse().ok()).ok_or("no server")?;
    let mut said = Vec::new();
    for line in lines.map_while(Result::ok) {
        if line.contains("eady to accept connections") || line.contains("ready to accept") {
            return Ok(Running { watch, pid });
        }
        said.push(line);
        if said.last().is_some_and(|line| line.contains("exiting")) {
            break;
        }
    }
    stop(Running { watch, pid }, "keep\n");
    Err(format!("the server did not start:\n{}", said.join("\n")))
}

/// Says one command to the server behind a socket and gives its answer as it comes.
fn say(socket: &Path, command: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Says whether the server behind a socket is the one with this process id: a server that was left
/// behind by somebody else would serve its old data.
pub(crate) fn verify(socket: &Path, pid: u32) -> Result<(), String> {
    let answer = say(socket, "INFO server").map_err(|error| error.to_string())?;
    let found = answer.lines().find_map(|line| line.trim().strip_prefix("process_id:"));
    if found == Some(&pid.to_string()) {
        return Ok(());
    }
    Err(format!("another server answers: process {found:?} instead of {pid}"))
}

//! A throw-away RabbitMQ, one for all tests of this program: it takes its time to start.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// Where Debian puts the program that does not change the user.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
/// The user that runs the server when the tests are run by root.
const RUNNER: &str = "rabbitmq";

/// Runs the broker and a port mapper of its own until the standard input ends, which it does when
/// this program does, however that comes about.
const WATCH: &str = r#"
trap '' INT TERM HUP
export HOME="$1" ERL_EPMD_PORT="$3" ERL_EPMD_ADDRESS=127.0.0.1
export RABBITMQ_NODENAME="justping$3@localhost" RABBITMQ_NODE_IP_ADDRESS=127.0.0.1
export RABBITMQ_NODE_PORT="$4" RABBITMQ_DIST_PORT="$5" RABBITMQ_PID_FILE="$1/pid"
export RABBITMQ_MNESIA_BASE="$1/mnesia" RABBITMQ_LOG_BASE="$1/log" RABBITMQ_LOGS=-
export RABBITMQ_ENABLED_PLUGINS_FILE="$1/plugins" RABBITMQ_GENERATED_CONFIG_DIR="$1/config"
export RABBITMQ_CONFIG_FILE="$1/none" RABBITMQ_CONF_ENV_FILE="$1/none"
cd "$1"
epmd -port "$3" </dev/null >/dev/null 2>&1 &
epmd=$!
"$2" </dev/null 2>&1 &
read -r _
kill -KILL "$(cat "$1/pid")" $! $epmd
wait
rm -rf "$1"
"#;

/// The broker.
pub(super) struct Server {
    port: u16,
    /// Holds the pipe whose end stops the broker.
    _watch: Mutex<Child>,
}

impl Server {
    pub(super) fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }
}

pub(super) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(start)
}

/// Ports that nobody uses now.
fn free_ports() -> [u16; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.each_ref().map(|listener| listener.local_addr().unwrap().port())
}

fn start() -> Server {
    assert!(
        Path::new(PROGRAM).exists(),
        "these tests need {PROGRAM}: install the Debian package rabbitmq-server"
    );
    let folder = tempfile::tempdir().unwrap().keep();
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let mut command = if root {
        let owner = Command::new("chown").arg(RUNNER).arg(&folder).status().unwrap();
        assert!(owner.success(), "the folder of the broker goes to {RUNNER}");
        let mut command = Command::new("setpriv");
        command.args(["--reuid", RUNNER, "--regid", RUNNER, "--clear-groups", "sh"]);
        command
    } else {
        Command::new("sh")
    };
    let ports = free_ports();
    command.args(["-c", WATCH, "watch"]).arg(&folder).arg(PROGRAM);
    command.args(ports.map(|port| port.to_string()));
    command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut watch = command.spawn().unwrap();
    let mut said = Vec::new();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    for line in lines.by_ref().map_while(Result::ok) {
        if line.contains("Server startup complete") {
            // The broker goes on to write, and somebody has to read.
            std::thread::spawn(move || lines.for_each(drop));
            return Server { port: ports[1], _watch: Mutex::new(watch) };
        }
        said.push(line);
    }
    drop(watch.wait());
    panic!("the broker did not start:\n{}", said.join("\n"));
}

//! Whether the server that the tests start is theirs, and goes with them.

use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use super::server::{Memory, PROGRAM, RedisServer, WATCH, shared, verify, watched};

#[test]
fn a_server_that_somebody_else_started_is_recognised() {
    let (ours, theirs) = (shared(), RedisServer::start(Memory::Forgets));
    assert_eq!(verify(&ours.socket(), ours.pid()), Ok(()));
    let fault = verify(&theirs.socket(), ours.pid()).unwrap_err();
    assert!(fault.contains("another server answers"), "{fault}");
    // Even where it took our place.
    std::fs::remove_file(theirs.socket()).unwrap();
    std::os::unix::fs::symlink(ours.socket(), theirs.socket()).unwrap();
    assert!(verify(&theirs.socket(), theirs.pid()).is_err());
}

#[test]
fn a_missing_program_is_a_clear_failure() {
    let folder = tempfile::tempdir().unwrap();
    let fault = watched(folder.path(), "no-such-redis-server").unwrap_err();
    assert!(fault.contains("install the Debian package redis-server"), "{fault}");
}

#[test]
fn a_server_goes_with_its_value() {
    let server = RedisServer::start(Memory::Lasts);
    let (socket, pid) = (server.socket(), server.pid());
    server.kill();
    assert!(UnixStream::connect(&socket).is_err());
    server.restart();
    assert_ne!(server.pid(), pid);
    drop(server);
    assert!(!socket.exists());
}

#[test]
fn a_server_goes_with_a_program_that_was_killed() {
    let folder = tempfile::tempdir().unwrap().keep();
    std::fs::write(folder.join("redis.conf"), "port 0\nunixsocket redis.sock\n").unwrap();
    // The watch of a program that is gone: its standard input has ended before it begins.
    let mut command = Command::new("sh");
    command.args(["-c", WATCH, "watch"]).arg(&folder).arg(PROGRAM);
    command.current_dir(&folder).stdin(Stdio::null()).stdout(Stdio::null());
    assert!(command.status().unwrap().success());
    assert!(!folder.exists());
}

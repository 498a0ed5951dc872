//! Services for objects on this machine, installed below the folder of builds on first use.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The versions that the tests were written with.
const AZURITE: &str = "azurite@3";
const AZURE_CLIENT: &str = "@azure/storage-blob@12";
const MOTO: &str = "moto[s3,server]>=5,<6";

/// A service that ends with the test.
#[derive(Debug)]
pub(crate) struct Peer {
    child: Child,
    /// Where it answers, such as `http://127.0.0.1:10000`.
    pub(crate) address: String,
    home: PathBuf,
    _data: tempfile::TempDir,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Peer {
    /// Azure Blob Storage, as Microsoft's emulator speaks it.
    pub(crate) fn azurite() -> Self {
        let home = installed("azurite", |folder| {
            let mut npm = Command::new("npm");
            npm.args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"]);
            done(npm.arg(folder).args([AZURITE, AZURE_CLIENT]));
        });
        let data = tempfile::tempdir().unwrap();
        let mut command = Command::new("node");
        command
            .arg(home.join("node_modules/azurite/dist/src/blob/main.js"))
            .args([
                "--blobHost",
                "127.0.0.1",
                "--blobPort",
                "0",
                "--skipApiVersionCheck",
                "--disableTelemetry",
            ])
            .arg("--location")
            .arg(data.path());
        Self::start(command, "successfully listen", home, data)
    }

    /// S3, as Moto speaks it.
    pub(crate) fn moto() -> Self {
        let home = installed("moto", |folder| {
            done(Command::new("python3").args(["-m", "venv"]).arg(folder));
            let mut pip = Command::new(folder.join("bin/python"));
            done(pip.args(["-m", "pip", "install", "--quiet", MOTO]));
        });
        let data = tempfile::tempdir().unwrap();
        let mut command = Command::new(home.join("bin/python"));
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]).current_dir(data.path());
        Self::start(command, "Running on", home, data)
    }

    /// Starts a program and waits until it says where it answers.
    fn start(mut command: Command, says: &str, home: PathBuf, data: tempfile::TempDir) -> Self {
        let (reader, writer) = std::io::pipe().unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .spawn()
            .unwrap();
        // The command holds the writing end, which must close with the child.
        drop(command);
        let mut said = String::new();
        let mut lines = BufReader::new(reader).lines();
        let address = loop {
            let line = lines.next().unwrap_or_else(|| panic!("it ended: {said}")).unwrap();
            said.push_str(&line);
            if line.contains(says)
                && let Some((_, rest)) = line.split_once("http://")
            {
                let end = rest.find(|c: char| !(c.is_ascii_digit() || ".:".contains(c)));
                break format!("http://{}", end.map_or(rest, |end| &rest[..end]));
            }
        };
        // What it says later is read, or it would stop when the pipe is full.
        let _ = std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, home, _data: data }
    }

    /// Makes a container of Azurite.
    pub(crate) fn make_container(&self, account: &str, key: &str, name: &str) {
        let script = format!(
            "const {{BlobServiceClient, StorageSharedKeyCredential}} = require('@azure/storage-blob');
             const credential = new StorageSharedKeyCredential('{account}', '{key}');
             new BlobServiceClient('{}/{account}', credential).createContainer('{name}')
               .then(() => process.exit(0), error => {{ console.error(error); process.exit(1); }});",
            self.address
        );
        done(Command::new("node").current_dir(&self.home).args(["-e", &script]));
    }

    /// Makes a bucket of Moto.
    pub(crate) fn make_bucket(&self, name: &str) {
        let host = self.address.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        let place = "<CreateBucketConfiguration><LocationConstraint>eu-central-1</LocationConstraint></CreateBucketConfiguration>";
        write!(
            stream,
            "PUT /{name} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=id/20260101/eu-central-1/s3/aws4_request\r\n\
             Content-Length: {}\r\n\r\n{place}",
            place.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

/// The folder of an installation, made whole or not at all.
fn installed(name: &str, install: impl FnOnce(&Path)) -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let finished = home.join("finished");
    if !finished.exists() {
        let _ = std::fs::remove_dir_all(&home);
        std::fs::create_dir_all(&home).unwrap();
        install(&home);
        std::fs::write(finished, b"").unwrap();
    }
    home
}

#[track_caller]
fn done(command: &mut Command) {
    let output =
        command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
}

//! F6: the database dies for good, and its standby takes over.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use justping_store::testing::Server;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

use super::scene::{Cast, Scene};
use super::{PATIENCE, seed, size};
use crate::provider::Dice;

const CUSTOMERS: usize = 15;
const RECIPIENTS: usize = 5;
/// From the death of one server until the other one serves, on a machine that does nothing else.
const TAKEOVER_MAX: Duration = Duration::from_secs(15);

/// An address that stays the same, whichever server is behind it.
#[derive(Debug)]
struct Proxy {
    address: SocketAddr,
    target: watch::Sender<PathBuf>,
}

impl Proxy {
    async fn start(target: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, target) = watch::channel(target);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(join(client, target.clone()));
            }
        });
        Self { address, target: sender }
    }

    /// Leads somewhere else; whoever is connected is cut off.
    fn turn_to(&self, target: PathBuf) {
        self.target.send_replace(target);
    }
}

async fn join(mut client: TcpStream, mut target: watch::Receiver<PathBuf>) {
    let path = target.borrow_and_update().clone();
    let Ok(mut server) = UnixStream::connect(path).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = target.changed() => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_takes_over_has_everything_that_was_acknowledged() {
    let (takeovers, seed) = (size(2, 5), seed(0xf6));
    let mut primary = Server::start();
    let database = primary.empty().await;
    let proxy = Proxy::start(primary.socket()).await;
    let cast = Cast::usual(database.url_at(proxy.address), takeovers * RECIPIENTS, seed);
    let mut scene = Scene::open(cast).await;
    scene.tell_statuses();
    let mut dice = Dice::new(seed);
    let mut met = 0;
    for _ in 0..takeovers {
        let standby = primary.standby().await;
        scene.write(CUSTOMERS, RECIPIENTS);
        met += scene.midst(&mut dice).await;
        let died = Instant::now();
        primary.kill().await;
        tokio::task::spawn_blocking(|| standby.promote()).await.unwrap();
        proxy.turn_to(standby.socket());
        scene.recovered().await;
        let took = died.elapsed();
        println!("serving again after {took:?}");
        assert!(took <= size(PATIENCE, TAKEOVER_MAX), "{took:?}");
        primary = standby;
    }
    assert!(met > 0, "no server died while sends were under way");
    let verdict = scene.judge().await;
    assert_eq!((verdict.repeated, verdict.unknown), (0, 0));
}

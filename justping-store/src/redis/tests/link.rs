use std::future::Pending;

use redis::RedisResult;
use tokio::net::TcpListener;

use super::server::Memory;
use super::*;

async fn ping(link: &RedisLink) -> bool {
    let mut connection = link.connection();
    let answer: Result<String, _> =
        link.ask(async { redis::cmd("PING").query_async(&mut connection).await }).await;
    answer.is_ok_and(|answer| answer == "PONG")
}

#[tokio::test]
async fn a_redis_that_dies_is_away_until_it_is_back() {
    let server = RedisServer::start(Memory::Forgets);
    let link = link_to(&server);
    assert!(ping(&link).await);
    server.kill();
    assert!(!ping(&link).await);
    assert!(link.is_away());
    server.restart();
    until(|| ping(&link)).await;
    assert!(!link.is_away());
}

#[tokio::test]
async fn a_redis_that_hangs_is_not_waited_for() {
    let server = RedisServer::start(Memory::Forgets);
    let link = link_with(&server, "hangs", Duration::from_millis(200));
    until(|| ping(&link)).await;
    server.freeze();
    assert!(!ping(&link).await);
    assert!(link.is_away());
    server.thaw();
    until(|| ping(&link)).await;
}

#[tokio::test]
async fn a_redis_that_is_away_is_asked_by_one_at_a_time() {
    let server = RedisServer::start(Memory::Forgets);
    let config = RedisConfig { breather: Duration::from_secs(3_600), ..at(&server) };
    let link = RedisLink::open(&config).unwrap();
    server.kill();
    assert!(!ping(&link).await);
    server.restart();
    let unasked: Pending<RedisResult<()>> = std::future::pending();
    assert!(link.ask(unasked).await.is_err(), "and nobody waits");
}

#[tokio::test]
async fn a_wrong_address_is_refused_and_never_shown() {
    for url in ["", "nonsense", "http://localhost", "redis://"] {
        let refused = RedisLink::open(&RedisConfig::new(url)).map(drop);
        if let Err(error) = refused {
            assert_eq!(error, RedisOpenError::InvalidUrl, "{url}");
        } else {
            assert_eq!(url, "redis://", "it stands for the local one");
        }
    }
    let config = RedisConfig::new("redis://user:secret@localhost");
    assert!(!format!("{config:?}").contains("secret"));
    assert!(!format!("{:?}", RedisLink::open(&config)).contains("secret"));
}

/// The crypto provider of TLS is built in: without one the connection would panic.
#[tokio::test]
async fn tls_to_something_else_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("rediss://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            drop(tokio::io::AsyncWriteExt::write_all(&mut stream, b"-ERR no TLS\r\n").await);
        }
    });
    let config = RedisConfig { patience: PATIENCE, ..RedisConfig::new(url) };
    let link = RedisLink::open(&config).unwrap();
    assert!(!ping(&link).await);
}

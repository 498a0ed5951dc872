//! Packages in real services for objects: Azurite and Moto, installed on first use.
#![cfg(all(feature = "azure", feature = "s3"))]
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic; the exemption for tests does not reach what they share"
)]

mod peer;

use bytes::Bytes;
use justping_plugins::blob::{AzureConfig, BlobError, PackageBlobs, S3Config};

use self::peer::Peer;

/// Azurite's published account, which is no secret.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

async fn packages_come_back(blobs: &PackageBlobs, elsewhere: &PackageBlobs) {
    let package = Bytes::from(vec![7; 3 * 1024 * 1024]);
    let digest = blobs.keep(package.clone()).await.unwrap();
    assert_eq!(blobs.keep(package.clone()).await.unwrap(), digest, "again is the same");
    assert_eq!(blobs.read(&digest).await.unwrap(), package);
    let other = elsewhere.read(&digest).await;
    assert!(matches!(other, Err(BlobError::NotFound(_))), "{other:?}");
    blobs.remove(&digest).await.unwrap();
    blobs.remove(&digest).await.unwrap();
    let gone = blobs.read(&digest).await;
    assert!(matches!(gone, Err(BlobError::NotFound(_))), "{gone:?}");
}

fn in_azure(endpoint: &str, prefix: &str, key: &str) -> PackageBlobs {
    let config = AzureConfig {
        account: ACCOUNT.to_owned(),
        container: "plugins".to_owned(),
        prefix: prefix.to_owned(),
        endpoint: Some(endpoint.to_owned()),
        key: Some(key.to_owned().into()),
    };
    PackageBlobs::in_azure(&config).unwrap()
}

fn in_s3(endpoint: &str, prefix: &str) -> PackageBlobs {
    let config = S3Config {
        bucket: "plugins".to_owned(),
        prefix: prefix.to_owned(),
        region: Some("eu-central-1".to_owned()),
        endpoint: Some(endpoint.to_owned()),
        key: Some(("id".to_owned(), "key".to_owned().into())),
    };
    PackageBlobs::in_s3(&config).unwrap()
}

#[tokio::test]
async fn packages_are_kept_in_azure() {
    let azurite = Peer::azurite();
    let endpoint = format!("{}/{ACCOUNT}", azurite.address);
    let blobs = in_azure(&endpoint, "eu", KEY);
    let missing = blobs.keep(Bytes::from_static(b"x")).await;
    assert!(
        matches!(missing, Err(BlobError::Unavailable(_))),
        "there is no container: {missing:?}"
    );
    azurite.make_container(ACCOUNT, KEY, "plugins");
    packages_come_back(&blobs, &in_azure(&endpoint, "us", KEY)).await;
    let stranger = in_azure(&endpoint, "eu", "bm8ga2V5");
    let refused = stranger.keep(Bytes::from_static(b"x")).await;
    assert!(matches!(refused, Err(BlobError::Unavailable(_))), "{refused:?}");
}

#[tokio::test]
async fn packages_are_kept_in_s3() {
    let moto = Peer::moto();
    let blobs = in_s3(&moto.address, "eu/plugins");
    let missing = blobs.keep(Bytes::from_static(b"x")).await;
    assert!(missing.is_err(), "there is no bucket: {missing:?}");
    moto.make_bucket("plugins");
    packages_come_back(&blobs, &in_s3(&moto.address, "us")).await;
}

#[tokio::test]
async fn a_service_that_is_away_is_told() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let config = S3Config {
        bucket: "plugins".to_owned(),
        prefix: String::new(),
        region: None,
        endpoint: Some(address),
        key: Some(("id".to_owned(), "key".to_owned().into())),
    };
    let away = PackageBlobs::in_s3(&config).unwrap().read(&"0".repeat(64)).await;
    assert!(matches!(away, Err(BlobError::Unavailable(_))), "{away:?}");
}

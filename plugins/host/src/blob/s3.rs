use std::sync::Arc;

use object_store::aws::AmazonS3Builder;
use secrecy::{ExposeSecret, SecretString};

use super::client::{OneClient, retries};
use super::{BlobError, PackageBlobs, is_plain};

/// A bucket of S3, or of what speaks like it.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// The bucket.
    pub bucket: String,
    /// How the names in it begin; may be empty.
    pub prefix: String,
    /// The region, such as `eu-central-1`; `None` asks `AWS_REGION`.
    pub region: Option<String>,
    /// The address of what is not Amazon's.
    pub endpoint: Option<String>,
    /// The id of a key, and the key. `None` asks the usual variables, web identity and the machine's
    /// role, as Amazon's own tools do.
    pub key: Option<(String, SecretString)>,
}

impl PackageBlobs {
    /// In a bucket. Nothing is asked yet.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`] when the settings make no sense.
    pub fn in_s3(config: &S3Config) -> Result<Self, BlobError> {
        let mut builder = match &config.key {
            Some((id, key)) => AmazonS3Builder::new()
                .with_access_key_id(id)
                .with_secret_access_key(key.expose_secret()),
            None => AmazonS3Builder::from_env(),
        };
        builder = builder
            .with_http_connector(OneClient)
            .with_retry(retries())
            .with_bucket_name(&config.bucket);
        if let Some(region) = &config.region {
            builder = builder.with_region(region);
        }
        if let Some(endpoint) = &config.endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(is_plain(endpoint));
        }
        let store = builder.build().map_err(|error| BlobError::Unavailable(error.to_string()))?;
        Ok(Self::in_service(Arc::new(store), &config.prefix))
    }
}

use std::sync::Arc;

use object_store::azure::MicrosoftAzureBuilder;
use secrecy::{ExposeSecret, SecretString};

use super::client::{OneClient, retries};
use super::{BlobError, PackageBlobs, is_plain};

/// A container of Azure Blob Storage.
#[derive(Debug, Clone)]
pub struct AzureConfig {
    /// The storage account.
    pub account: String,
    /// The container.
    pub container: String,
    /// How the names in it begin; may be empty.
    pub prefix: String,
    /// Another address than `https://<account>.blob.core.windows.net`.
    pub endpoint: Option<String>,
    /// The account's key. `None` asks the usual variables, workload identity and the machine's own, as
    /// Microsoft's tools do.
    pub key: Option<SecretString>,
}

impl PackageBlobs {
    /// In a container. Nothing is asked yet.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`] when the settings make no sense.
    pub fn in_azure(config: &AzureConfig) -> Result<Self, BlobError> {
        let mut builder = match &config.key {
            Some(key) => MicrosoftAzureBuilder::new().with_access_key(key.expose_secret()),
            None => MicrosoftAzureBuilder::from_env(),
        };
        builder = builder
            .with_http_connector(OneClient)
            .with_retry(retries())
            .with_account(&config.account)
            .with_container_name(&config.container);
        if let Some(endpoint) = &config.endpoint {
            builder = builder.with_endpoint(endpoint.clone()).with_allow_http(is_plain(endpoint));
        }
        let store = builder.build().map_err(|error| BlobError::Unavailable(error.to_string()))?;
        Ok(Self::in_service(Arc::new(store), &config.prefix))
    }
}

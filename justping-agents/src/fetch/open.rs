//! The web, through the guarded client.

use std::time::Duration;

use async_trait::async_trait;
use justping_http::{
    Answer, HttpError, Method, OpenClient, OpenRequest, OpenUrl, Refusal, check_header,
};

use super::{FetchError, FetchMethod, FetchReply, FetchRequest, Fetcher};

#[async_trait]
impl Fetcher for OpenClient {
    fn check_url(&self, url: &str) -> Result<(), FetchError> {
        Ok(OpenUrl::parse(url).and_then(|url| self.policy().check(&url))?)
    }

    fn check_header(&self, name: &str) -> Result<(), FetchError> {
        check_header(name)?;
        Ok(())
    }

    async fn fetch(&self, request: &FetchRequest) -> Result<FetchReply, FetchError> {
        let mut open = OpenRequest::new(method(request.method), OpenUrl::parse(&request.url)?)
            .timeout(Duration::from_millis(request.timeout_ms));
        for (name, value) in &request.headers {
            open = open.header(name, value)?;
        }
        if let Some(body) = &request.body {
            open = open.body(body.as_str());
        }
        Ok(reply(self.send(open).await?))
    }
}

fn method(method: FetchMethod) -> Method {
    match method {
        FetchMethod::Get => Method::Get,
        FetchMethod::Head => Method::Head,
        FetchMethod::Post => Method::Post,
        FetchMethod::Put => Method::Put,
        FetchMethod::Patch => Method::Patch,
        FetchMethod::Delete => Method::Delete,
    }
}

fn reply(answer: Answer) -> FetchReply {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = answer.headers.iter();
    FetchReply {
        status: answer.status,
        headers: headers.map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect(),
        body: answer.body,
    }
}

impl From<Refusal> for FetchError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { code: refusal.code(), detail: refusal.to_string() }
    }
}

impl From<HttpError> for FetchError {
    fn from(error: HttpError) -> Self {
        let (code, detail) = (error.code(), error.to_string());
        match error {
            HttpError::Refused(_)
            | HttpError::Start(_)
            | HttpError::TooLarge
            | HttpError::Redirects => Self::Refused { code, detail },
            HttpError::Timeout => Self::Timeout,
            HttpError::Connect { .. } | HttpError::Broken { .. } => Self::Failed { code, detail },
        }
    }
}

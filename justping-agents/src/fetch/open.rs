//! The web, through the guarded client.

use std::time::Duration;

use async_trait::async_trait;
use justping_http::{
    Answer, HeaderMap, HeaderName, HeaderValue, HttpError, Method, OpenClient, OpenRequest,
    OpenUrl, Refusal, Script, check_header,
};

use super::{FetchError, FetchMethod, FetchReply, FetchRequest, Fetcher, ScriptedFetcher};

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

/// What asks through a client is answered by the same script as what asks a fetcher.
impl Script for ScriptedFetcher {
    fn answer(&self, request: &OpenRequest) -> Result<Answer, HttpError> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = request.headers().iter();
        let patience = request.patience().unwrap_or_default().as_millis();
        let asked = FetchRequest {
            method: asked_method(request.method()),
            url: request.url().text().to_owned(),
            headers: headers
                .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
                .collect(),
            body: request.content().map(text),
            timeout_ms: u64::try_from(patience).unwrap_or(u64::MAX),
        };
        // Whatever the script has instead of an answer, nobody answers.
        let FetchReply { status, headers, body } =
            self.next(asked).map_err(|_| HttpError::Timeout)?;
        let header = |(name, value): (String, String)| {
            let name = HeaderName::try_from(name).ok()?;
            Some((name, HeaderValue::try_from(value).ok()?))
        };
        let headers: HeaderMap = headers.into_iter().filter_map(header).collect();
        Ok(Answer { status, headers, body })
    }
}

fn asked_method(method: Method) -> FetchMethod {
    match method {
        Method::Get => FetchMethod::Get,
        Method::Head => FetchMethod::Head,
        Method::Post => FetchMethod::Post,
        Method::Put => FetchMethod::Put,
        Method::Patch => FetchMethod::Patch,
        Method::Delete => FetchMethod::Delete,
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use justping_http::Policy;

    use super::*;

    #[tokio::test]
    async fn a_script_answers_clients_and_fetchers_alike() {
        let script = Arc::new(ScriptedFetcher::new());
        let headers = vec![("x-answer".to_owned(), "a".to_owned())];
        let first = FetchReply { status: 201, headers, body: b"1".to_vec() };
        script.reply(first.clone()).then(200, "2");
        let client = OpenClient::scripted(Policy::default(), Arc::clone(&script) as _);
        let asked = FetchRequest {
            method: FetchMethod::Post,
            url: "https://example.com/a".to_owned(),
            headers: vec![("x-asked".to_owned(), "b".to_owned())],
            body: Some("body".to_owned()),
            timeout_ms: 5_000,
        };
        assert_eq!(client.fetch(&asked).await, Ok(first));
        assert_eq!(script.fetch(&asked).await.unwrap().body, b"2");
        assert_eq!(client.fetch(&asked).await, Err(FetchError::Timeout), "nobody answers");
        assert_eq!(script.requests(), [asked.clone(), asked.clone(), asked]);
    }
}

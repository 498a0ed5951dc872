//! Knowledge bases over HTTP: what is added is read, found, and gone when it is deleted.

use justping::model::SOURCE_BYTES_MAX;
use serde_json::{Value, json};

use crate::platform::Platform;

impl Platform {
    async fn knowledge(&self) -> String {
        let body = json!({"name": "Help", "description": "What customers ask"});
        self.owner.post("/knowledge", body).await.expect(201).id()
    }

    /// Reads everything that waits.
    async fn learn(&self) -> usize {
        self.app.ingest().settle().await.unwrap()
    }
}

fn texts(found: &Value) -> Vec<&str> {
    let items = found["items"].as_array().unwrap();
    let answers = items.iter().filter(|hit| hit["answers"] == true);
    answers.map(|hit| hit["text"].as_str().unwrap()).collect()
}

async fn what_is_added_is_read_and_found(platform: Platform) {
    let (owner, viewer) = (&platform.owner, &platform.viewer);
    let base = platform.knowledge().await;
    let text = "# Returns\n\nSend parcels back within thirty days.\n\n# Hours\n\nWe open at nine.";
    let body = json!({"title": "Help page", "text": text, "format": "markdown"});
    let source = owner.post(&format!("/knowledge/{base}/sources"), body).await.expect(201).json();
    assert_eq!(source["state"], json!({"status": "pending"}));
    assert_eq!(source["origin"], json!({"type": "upload"}));
    let id = source["id"].as_str().unwrap();
    assert_eq!(platform.learn().await, 1);
    let read = viewer.get(&format!("/sources/{id}")).await.expect(200).json();
    assert_eq!(read["state"], json!({"status": "ready", "chunks": 2}));
    let search = format!("/knowledge/{base}/search?q=when+do+you+open");
    let found = viewer.get(&search).await.expect(200).json();
    assert_eq!(texts(&found), ["We open at nine."]);
    let hit = &found["items"][0];
    assert_eq!((&hit["title"], &hit["section"]), (&json!("Help page"), &json!("Hours")));
    let again = owner.post(&format!("/sources/{id}/read"), json!({})).await.expect(200).json();
    assert_eq!(again["state"]["status"], "pending");
    assert_eq!(platform.learn().await, 1);
    let listed = viewer.get(&format!("/knowledge/{base}/sources")).await.expect(200).json();
    assert_eq!(listed["items"][0]["id"], id);
    owner.delete(&format!("/knowledge/{base}")).await.problem(409, "conflict");
    owner.delete(&format!("/sources/{id}")).await.expect(204);
    let found = viewer.get(&search).await.expect(200).json();
    assert_eq!(found["items"], json!([]));
    owner.delete(&format!("/knowledge/{base}")).await.expect(204);
    viewer.get(&format!("/knowledge/{base}")).await.problem(404, "not_found");
}

async fn a_base_is_created_listed_and_changed(platform: Platform) {
    let owner = &platform.owner;
    let base = platform.knowledge().await;
    let listed = owner.get("/knowledge").await.expect(200).json();
    assert_eq!(listed["items"][0]["id"], base);
    let path = format!("/knowledge/{base}");
    let body = |revision| json!({"name": "FAQ", "description": "", "embedding_model": "small", "revision": revision});
    let changed = owner.put(&path, body(1)).await.expect(200).json();
    assert_eq!((&changed["name"], &changed["revision"]), (&json!("FAQ"), &json!(2)));
    owner.put(&path, body(1)).await.problem(409, "stale");
    owner.post("/knowledge", json!({"name": " "})).await.problem(422, "invalid");
    owner.post("/knowledge", json!({"name": "x", "size": 1})).await.problem(422, "invalid");
}

async fn files_are_taken_as_they_are(platform: Platform) {
    let owner = &platform.owner;
    let base = platform.knowledge().await;
    let path = format!("/api/v1/knowledge/{base}/files?title=Prices");
    let upload = |kind: &'static str, body: Vec<u8>| {
        owner.ask("POST", &path).header("content-type", kind).bytes(body).send()
    };
    let table = b"Product;Price\nKayak;700\nCanoe;900\n".to_vec();
    let source = upload("text/csv; charset=utf-8", table).await.expect(201).json();
    assert_eq!(source["format"], "csv");
    upload("application/pdf", b"%PDF-1.4 broken".to_vec()).await.expect(201);
    upload("image/png", vec![1]).await.problem(415, "unsupported_media_type");
    upload("text/plain", Vec::new()).await.problem(422, "invalid");
    upload("text/plain", vec![b'x'; SOURCE_BYTES_MAX + 1]).await.problem(413, "too_large");
    let large = "We sell boats. ".repeat(100_000).into_bytes();
    let keyed = owner.ask("POST", &path).header("content-type", "text/plain");
    let keyed = keyed.header("idempotency-key", "large").bytes(large);
    keyed.send().await.expect(201);
    assert_eq!(platform.learn().await, 3);
    let found = owner.get(&format!("/knowledge/{base}/search?q=price+of+a+kayak")).await.json();
    assert_eq!(texts(&found)[0], "Product: Kayak\nPrice: 700\n\nProduct: Canoe\nPrice: 900");
    let listed = owner.get(&format!("/knowledge/{base}/sources")).await.json();
    let mut failed = listed["items"].as_array().unwrap().iter().map(|source| &source["state"]);
    let failed = failed.find(|state| state["status"] == "failed").unwrap();
    assert_eq!(failed["code"], "malformed");
}

async fn what_makes_no_source_is_refused(platform: Platform) {
    let owner = &platform.owner;
    let base = platform.knowledge().await;
    let path = format!("/knowledge/{base}/sources");
    for (body, at) in [
        (json!({"title": "x"}), "/text"),
        (json!({"title": "x", "text": "a", "url": "https://a.example"}), "/text"),
        (json!({"title": "", "text": "a"}), "/title"),
        (json!({"title": "x", "text": " "}), "/text"),
        (json!({"title": "x", "url": "ftp://a.example/"}), "/url"),
        (json!({"title": "x", "url": "nowhere"}), "/url"),
        (
            json!({"title": "x", "url": "https://a.example", "refresh_minutes": 1}),
            "/refresh_minutes",
        ),
        (json!({"title": "x", "text": "a", "format": "docx"}), "/format"),
    ] {
        let problem = owner.post(&path, body.clone()).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["path"], at, "{body}");
    }
    let web = json!({"title": "x", "url": "https://a.example/help", "refresh_minutes": 60});
    let web = owner.post(&path, web).await.expect(201).json();
    assert_eq!(web["origin"], json!({"type": "url", "url": "https://a.example/help"}));
    assert_eq!(platform.learn().await, 1);
    let id = web["id"].as_str().unwrap();
    let failed = owner.get(&format!("/sources/{id}")).await.json();
    assert_eq!(failed["state"]["code"], "no_fetcher", "this platform asks no addresses");
    for query in ["q=", "q=x&limit=0", "q=x&limit=26"] {
        owner.get(&format!("/knowledge/{base}/search?{query}")).await.problem(422, "invalid");
    }
    for query in ["", "q=x&wish=1"] {
        owner.get(&format!("/knowledge/{base}/search?{query}")).await.problem(400, "malformed");
    }
    for query in ["q=%00", "q=%22*%22", "q=a%27%3B--", "q=NEAR(a+b)", "q=%F0%9F%98%80a"] {
        owner.get(&format!("/knowledge/{base}/search?{query}")).await.expect(200);
    }
}

/// A flow is tried in the sandbox with what the business knows, and says what the script lets it.
async fn a_flow_is_tried_with_what_is_known(platform: Platform) {
    let owner = &platform.owner;
    let base = platform.knowledge().await;
    let source = json!({"title": "Hours", "text": "We open at nine."});
    owner.post(&format!("/knowledge/{base}/sources"), source).await.expect(201);
    platform.learn().await;
    let draft = json!({
        "schema": "justping.flow/1",
        "nodes": [
            {"id": "start", "type": "trigger", "data": {}},
            {"id": "know", "type": "knowledge", "data": {"base": base, "say": "answer_with_sources"}},
            {"id": "sorry", "type": "text", "data": {"text": "I do not know."}},
        ],
        "edges": [
            {"id": "e1", "source": "start", "target": "know"},
            {"id": "e2", "source": "know", "sourceHandle": "no_answer", "target": "sorry"},
        ],
    });
    let flow = owner.post("/flows", json!({"name": "Help", "draft": draft})).await.expect(201).id();
    let try_it = async |say: &str| {
        let script = json!({
            "lines": [{"say": say}], "answers": [r#"{"answer": "At nine.", "passages": [1]}"#]
        });
        let run = owner.post(&format!("/flows/{flow}/test"), script).await.expect(200).json();
        run["transcript"][1]["content"]["text"].as_str().unwrap().to_owned()
    };
    assert_eq!(try_it("open at what time?").await, "At nine.\n\nHours");
    assert_eq!(try_it("zebra quantum").await, "I do not know.");
}

on_every_store!(
    what_is_added_is_read_and_found,
    a_base_is_created_listed_and_changed,
    files_are_taken_as_they_are,
    what_makes_no_source_is_refused,
    a_flow_is_tried_with_what_is_known,
);

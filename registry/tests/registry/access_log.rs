//! What is written down of requests, and what never is; and the traces they
//! belong to.

use std::io;
use std::sync::{Arc, Mutex};

use oci::Digest;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use registry::{AccessLog, Htpasswd, Settings};
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::scene::{LAYER, Scene};
use crate::wire::ask;

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    fn text(&self) -> String {
        let bytes = self.0.lock().expect("not poisoned").clone();
        String::from_utf8(bytes).expect("text")
    }
}

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn each_request_has_one_line_without_secrets() {
    let kept = Kept::default();
    let layer = tracing_subscriber::fmt::layer().json().flatten_event(true);
    let log = tracing_subscriber::registry()
        .with(layer.with_writer(kept.clone()))
        .with(Targets::new().with_target("access", Level::INFO));
    let _log = log.set_default();
    let scene = Scene::of(|settings: &mut Settings| settings.access_log = AccessLog::On).await;
    scene.push_blob("a", LAYER).await;
    let path = format!("/v2/a/blobs/{}", Digest::sha256(LAYER));
    let get = ask(&format!("GET {path}?token=hidden"))
        .header("authorization", "Basic aGlkZGVuOmhpZGRlbg==")
        .header("user-agent", &format!("me/1 {}", "x".repeat(500)));
    let answer = scene.send(&get).await;
    assert_eq!(answer.status, 200);
    let text = kept.text();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 2, "{text}");
    let line = &lines[1];
    for (key, value) in [
        ("target", "access".into()),
        ("caller", "-".into()),
        ("method", "GET".into()),
        ("path", path.as_str().into()),
        ("status", serde_json::json!(200)),
        ("sent", serde_json::json!(LAYER.len())),
        ("received", serde_json::json!(0)),
        ("id", answer.header("x-request-id").into()),
    ] {
        assert_eq!(line[key], value, "{line}");
    }
    assert!(line["milliseconds"].as_f64().is_some_and(|took| took > 0.0));
    assert!(
        line["peer"]
            .as_str()
            .is_some_and(|peer| peer.starts_with("127.0.0.1:"))
    );
    let agent = line["agent"].as_str().expect("text");
    assert!(agent.starts_with("me/1 ") && agent.len() == 200, "{agent}");
    assert_eq!(lines[0]["received"], serde_json::json!(LAYER.len()));
    for secret in ["hidden", "aGlkZGVu"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn callers_are_named_and_failures_are_logged_without_an_access_log() {
    let kept = Kept::default();
    let layer = tracing_subscriber::fmt::layer().json().flatten_event(true);
    let log = tracing_subscriber::registry().with(layer.with_writer(kept.clone()));
    let _log = log.set_default();
    let scene = Scene::new().await;
    let fault = blob::testing::Fault {
        kind: blob::ErrorKind::Unavailable,
        moment: blob::testing::Moment::Before,
    };
    scene.backend.fail_when(fault, |_| true);
    let answer = scene.get("/v2/a/tags/list").await;
    assert_eq!(answer.status, 503);
    let text = kept.text();
    let failed: Vec<_> = text
        .lines()
        .filter(|line| line.contains("request failed"))
        .collect();
    assert_eq!(failed.len(), 1, "{text}");
    assert!(failed[0].contains(answer.header("x-request-id")), "{text}");
    assert!(!text.contains("\"access\""), "{text}");
}

#[tokio::test]
async fn a_request_and_its_storage_are_in_the_trace_of_its_client() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let tracing = tracing_subscriber::registry()
        .with(layer)
        .with(Targets::new().with_target("span", Level::DEBUG));
    let _tracing = tracing.set_default();
    let scene = Scene::new().await;
    scene.push_image("a", "v1").await;
    exporter.reset();
    let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let get =
        ask("GET /v2/a/manifests/v1").header("traceparent", &format!("00-{trace}-{parent}-01"));
    let answer = scene.send(&get).await;
    let told = answer.header("traceresponse");
    assert!(told.starts_with(&format!("00-{trace}-")), "{told}");
    let spans = exporter.get_finished_spans().expect("spans");
    let request = spans
        .iter()
        .find(|span| span.name == "request")
        .expect("a span of the request");
    assert_eq!(request.parent_span_id.to_string(), parent);
    assert!(told.contains(&request.span_context.span_id().to_string()));
    let attribute = |name: &str| {
        let found = request.attributes.iter().find(|a| a.key.as_str() == name);
        found
            .map(|found| found.value.to_string())
            .unwrap_or_default()
    };
    assert_eq!(attribute("http.route"), "/v2/{name}/manifests/{reference}");
    assert_eq!(attribute("http.response.status_code"), "200");
    let below = spans
        .iter()
        .filter(|span| span.parent_span_id == request.span_context.span_id())
        .count();
    assert!(below >= 1, "{spans:?}");
    for span in &spans {
        assert_eq!(
            span.span_context.trace_id().to_string(),
            trace,
            "{}",
            span.name
        );
    }
}

#[tokio::test]
async fn a_caller_with_a_password_is_named() {
    let kept = Kept::default();
    let layer = tracing_subscriber::fmt::layer().with_ansi(false);
    let log = tracing_subscriber::registry()
        .with(layer.with_writer(kept.clone()))
        .with(Targets::new().with_target("access", Level::INFO));
    let _log = log.set_default();
    // `secret`, at the lowest cost that is accepted.
    let hash = bcrypt::hash("secret", 10).expect("a hash");
    let passwords = Htpasswd::parse(&format!("anna:{hash}\n")).expect("a file");
    let scene = Scene::of(|settings: &mut Settings| {
        settings.access = registry::Access::Passwords(passwords);
        settings.access_log = AccessLog::On;
    })
    .await;
    let get = ask("GET /v2/").header("authorization", "Basic YW5uYTpzZWNyZXQ=");
    assert_eq!(scene.send(&get).await.status, 200);
    assert_eq!(scene.get("/v2/").await.status, 401);
    let text = kept.text();
    assert!(text.contains(r#"caller="anna""#), "{text}");
    assert!(text.contains("status=401"), "{text}");
    assert!(!text.contains("secret") && !text.contains("YW5u"), "{text}");
}

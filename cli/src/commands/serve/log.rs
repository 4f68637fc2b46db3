//! The log of a server, on standard error, and its traces.

use anyhow::Context as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer};

use crate::arguments::Global;
use crate::config::{self, Config, Sources};
use crate::environment::{self, Environment};
use crate::report::{usage, usage_of};

/// What the registry's spans are told by.
const SPANS: &str = "span";

/// What traces are told by.
const SERVICE: &str = "wharf";

/// Sends traces, if somebody wants them, until it is dropped.
pub(super) struct Traces {
    provider: Option<SdkTracerProvider>,
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Some(provider) = &self.provider {
            // Nobody waits for what can not be sent any more.
            let _ = provider.shutdown();
        }
    }
}

/// Starts the log. It has to be called outside of any runtime: traces are sent
/// by a thread of their own.
pub(super) fn start(
    environment: &Environment,
    global: &Global,
    (config, sources): (&Config, &Sources),
) -> anyhow::Result<Traces> {
    let default = if global.quiet { "error" } else { "info" };
    let filter = environment.variable("WHARF_LOG_FILTER").unwrap_or(default);
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        usage(format!(
            "the environment variable `WHARF_LOG_FILTER`: {error}"
        ))
    })?;
    let form = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_ansi(environment::stderr_is_terminal() && environment.variable("NO_COLOR").is_none())
        .with_writer(std::io::stderr);
    let provider = match &config.serve.trace_endpoint {
        Some(endpoint) => Some(provider(endpoint, sources)?),
        None => None,
    };
    let spans = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer(SERVICE))
            .with_filter(Targets::new().with_target(SPANS, Level::DEBUG))
    });
    let all = tracing_subscriber::registry().with(spans);
    match config.serve.log {
        config::Log::Human => all.with(form.with_filter(filter)).init(),
        config::Log::Json => all
            .with(form.json().flatten_event(true).with_filter(filter))
            .init(),
    }
    Ok(Traces { provider })
}

fn provider(endpoint: &str, sources: &Sources) -> anyhow::Result<SdkTracerProvider> {
    let name = || sources.name("serve.trace-endpoint");
    if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
        return Err(usage(format!(
            "{}: `{endpoint}` is no URL such as `http://localhost:4318/v1/traces`",
            name()
        )));
    }
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint)
        .build()
        .context("the exporter can not be made")
        .map_err(|error| usage_of(error, format!("{}: `{endpoint}` can not be used", name())))?;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name(SERVICE).build())
        .build())
}

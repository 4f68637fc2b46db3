//! Spans of requests, and the trace they belong to (W3C Trace Context).
//!
//! Where nobody traces, no span is made; requests that write have a small one
//! then, so that what is logged on their way names them.

use axum::body::Body;
use axum::http::header::HeaderName;
use axum::http::{HeaderMap, HeaderValue, Method, Request};
use opentelemetry::Context;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use tracing::{Level, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::SPANS;

const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// Tells a client in which trace its request is (W3C Trace Context, level 2).
pub(super) const TRACE_RESPONSE: HeaderName = HeaderName::from_static("traceresponse");

/// Makes the span of a request, below that of its client.
pub(super) fn span(request: &Request<Body>, id: u64) -> Span {
    let id = format_args!("{id:016x}");
    if !tracing::enabled!(target: SPANS, Level::DEBUG) {
        return match *request.method() {
            Method::GET | Method::HEAD => Span::none(),
            _ => tracing::info_span!(target: "request", "request", %id),
        };
    }
    let span = tracing::debug_span!(
        target: SPANS,
        "request",
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        http.request.method = %request.method(),
        url.path = request.uri().path(),
        http.route = tracing::field::Empty,
        http.response.status_code = tracing::field::Empty,
        %id,
    );
    if let Some(parent) = parent(request.headers()) {
        // It fails where nobody exports the span.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
    span
}

/// Notes the status, and spells where the trace is, if there is one.
pub(super) fn answer(span: &Span, status: u16) -> Option<HeaderValue> {
    if span.is_none() {
        return None;
    }
    span.record("http.response.status_code", status);
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
    let context = span.context();
    let told = context.span().span_context().clone();
    told.is_valid().then_some(())?;
    let flags = told.trace_flags().to_u8();
    let text = format!("00-{}-{}-{flags:02x}", told.trace_id(), told.span_id());
    HeaderValue::from_str(&text).ok()
}

/// Names the trace of a span, if there is one.
pub(super) fn id(span: &Span) -> Option<String> {
    if span.is_none() {
        return None;
    }
    let context = span.context();
    let told = context.span().span_context().trace_id();
    (told != TraceId::INVALID).then(|| told.to_string())
}

/// Reads `traceparent`: `<version>-<trace>-<parent>-<flags>`, in lower-case
/// hexadecimal (W3C Trace Context, section 3.2).
fn parent(headers: &HeaderMap) -> Option<SpanContext> {
    let text = headers.get(TRACE_PARENT)?.to_str().ok()?;
    let mut parts = text.split('-');
    let mut part = |length: usize| {
        let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let hex = |part: &&str| part.len() == length && part.bytes().all(lower);
        parts.next().filter(hex)
    };
    let (version, trace, parent, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
    let more = parts.next().is_some();
    if version == "ff" || (version == "00" && more) {
        return None;
    }
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(parent).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()? & 1),
        true,
        TraceState::NONE,
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_read_as_they_are_spelled() {
        let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        for (text, known) in [
            (format!("00-{trace}-{span}-01"), true),
            (format!("00-{trace}-{span}-00"), true),
            (format!("cc-{trace}-{span}-01-more"), true),
            (format!("00-{trace}-{span}-01-more"), false),
            (format!("ff-{trace}-{span}-01"), false),
            (format!("00-{}-{span}-01", "0".repeat(32)), false),
            (format!("00-{trace}-{}-01", "0".repeat(16)), false),
            (format!("00-{}-{span}-01", trace.to_uppercase()), false),
            (format!("00-{trace}-{span}"), false),
            (String::new(), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(TRACE_PARENT, text.parse().expect("a header"));
            let found = parent(&headers);
            assert_eq!(found.is_some(), known, "{text}");
            if let Some(found) = found {
                assert_eq!(found.trace_id().to_string(), trace);
                assert_eq!(found.span_id().to_string(), span);
            }
        }
    }
}

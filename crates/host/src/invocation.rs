//! Which invocation something is told in: that of the span which the Lambda runtime opens around it.
//!
//! Log lines and metrics both get it from there, so no handler has to hand it down, and what is told deep inside a
//! library has it, too. Without Lambda there is no such span, and nothing is said of it.

use tracing::{
    Subscriber, dispatcher,
    field::{Field, Visit},
    span::{Attributes, Id},
};
use tracing_subscriber::{
    Layer, Registry,
    layer::Context,
    registry::{LookupSpan, Scope},
};

/// An invocation of a function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Invocation {
    /// Lambda's own id of it.
    request_id: String,
    /// Where X-Ray has it; empty if it has not.
    xray_trace_id: String,
}

impl Invocation {
    /// The one that a span is in.
    pub(crate) fn of<'s, S: LookupSpan<'s>>(scope: Scope<'s, S>) -> Option<Self> {
        scope
            .into_iter()
            .find_map(|span| span.extensions().get::<Self>().cloned())
    }

    /// The one that is going on, if logging has started.
    pub(crate) fn current() -> Option<Self> {
        dispatcher::get_default(|dispatch| {
            let span = dispatch.current_span();
            let span = dispatch.downcast_ref::<Registry>()?.span(span.id()?)?;
            Self::of(span.scope())
        })
    }

    /// What is known of it, by the names that lines have for it.
    pub(crate) fn properties(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("request_id", self.request_id.as_str()),
            ("xray_trace_id", self.xray_trace_id.as_str()),
        ];
        all.into_iter().filter(|(_, value)| !value.is_empty())
    }
}

/// The runtime's names.
impl Visit for Invocation {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "requestId" => value.clone_into(&mut self.request_id),
            "xrayTraceId" => value.clone_into(&mut self.xray_trace_id),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

/// Remembers of each span which invocation it opens.
pub(crate) struct Remember;

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Remember {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if !attributes.metadata().target().starts_with("lambda_runtime") {
            return;
        }
        let mut invocation = Invocation::default();
        attributes.record(&mut invocation);
        if let Some(span) = context.span(id).filter(|_| !invocation.request_id.is_empty()) {
            span.extensions_mut().insert(invocation);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use lambda_runtime::layers::trace::request_span;

    /// The span that the Lambda runtime opens.
    pub(crate) fn invocation(request_id: &str) -> tracing::Span {
        let mut context = lambda_runtime::Context::default();
        context.request_id = request_id.to_owned();
        context.xray_trace_id = Some("Root=1".to_owned());
        request_span(&context)
    }
}

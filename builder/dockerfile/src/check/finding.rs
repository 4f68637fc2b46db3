//! What the rules have found so far.

use crate::check::options::Options;
use crate::check::rules;
use crate::diagnostic::Diagnostic;
use crate::parse::nearest;
use crate::span::Span;

/// Is how many findings are told of one file.
const MAX_FINDINGS: usize = 1_000;
/// Is how many findings are told with a name that may have been meant; to look
/// for it takes time.
const MAX_SUGGESTIONS: usize = 100;
/// Is how many letters a name has at least for another to be like it.
const MIN_SUGGESTED: usize = 3;
/// Is how many names are looked at for one that may have been meant.
const MAX_CANDIDATES: usize = 1_000;
/// Is the code of what is said when there is more than is told.
const TOO_MANY_FINDINGS: &str = "too-many-findings";

/// Collects what the rules find.
#[derive(Debug)]
pub(super) struct Findings<'a> {
    options: &'a Options,
    list: Vec<Diagnostic>,
    suggestions: usize,
    /// There was more than is told.
    cut: Option<Span>,
}

impl<'a> Findings<'a> {
    /// Makes one for the rules that are asked for.
    pub(super) fn new(options: &'a Options) -> Self {
        Self {
            options,
            list: Vec::new(),
            suggestions: 0,
            cut: None,
        }
    }

    /// Says whether a rule is asked for.
    pub(super) fn asks_for(&self, name: &str) -> bool {
        rules::find(name).is_some_and(|rule| self.options.asks_for(rule))
    }

    /// Says whether nothing more is told.
    pub(super) fn is_full(&self) -> bool {
        self.cut.is_some()
    }

    /// Says what a rule has found, and what would be right.
    pub(super) fn say(
        &mut self,
        rule: &'static str,
        span: Span,
        message: String,
        hint: impl Into<String>,
    ) {
        if !self.asks_for(rule) {
            return;
        }
        if self.list.len() >= MAX_FINDINGS {
            self.cut.get_or_insert(span);
            return;
        }
        let diagnostic = Diagnostic::warning(rule, span, message);
        self.list.push(diagnostic.hint(hint));
    }

    /// Finds the name that was most likely meant.
    pub(super) fn suggest<'n>(
        &mut self,
        name: &str,
        names: impl Iterator<Item = &'n str>,
    ) -> Option<&'n str> {
        if self.suggestions == MAX_SUGGESTIONS || name.len() < MIN_SUGGESTED {
            return None;
        }
        self.suggestions += 1;
        let names: Vec<&str> = names.take(MAX_CANDIDATES).collect();
        nearest(name, &names)
    }

    /// Gives all of it.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        if let Some(span) = self.cut {
            let message = format!("the checks find more than {MAX_FINDINGS} things");
            let diagnostic = Diagnostic::warning(TOO_MANY_FINDINGS, span, message);
            let hint = "those of rules that come later are not told";
            self.list.push(diagnostic.hint(hint));
        }
        self.list
    }
}

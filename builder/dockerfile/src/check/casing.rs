//! Capital letters and small ones: in keywords, and in the names of stages.

use crate::ast::{Dockerfile, From, Instruction, Kind};
use crate::check::finding::Findings;
use crate::check::rules;
use crate::diagnostic::excerpt;
use crate::span::Span;

/// Says how a word is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Lower,
    Upper,
    Mixed,
}

impl Case {
    fn of(word: &str) -> Self {
        if word.bytes().all(|byte| !byte.is_ascii_uppercase()) {
            Self::Lower
        } else if word.bytes().all(|byte| !byte.is_ascii_lowercase()) {
            Self::Upper
        } else {
            Self::Mixed
        }
    }

    fn apply(self, word: &str) -> String {
        match self {
            Self::Lower => word.to_ascii_lowercase(),
            Self::Upper | Self::Mixed => word.to_ascii_uppercase(),
        }
    }
}

/// Is a keyword as it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'a> {
    text: &'a str,
    pub(super) span: Span,
}

/// Reads the keyword that an instruction begins with; one that is broken over
/// lines gives nothing.
pub(super) fn keyword<'a>(source: &'a [u8], instruction: Span, text: &str) -> Option<Word<'a>> {
    let rest = source.get(instruction.range())?;
    let length = rest.iter().take_while(|byte| byte.is_ascii_alphabetic());
    let length = length.count();
    let word = str::from_utf8(rest.get(..length)?).ok()?;
    let said = text.split_whitespace().next()?;
    let span = Span::new(instruction.start, instruction.start + length);
    said.eq_ignore_ascii_case(word)
        .then_some(Word { text: word, span })
}

/// Checks all keywords and names of stages.
pub(super) fn check(file: &Dockerfile, source: &[u8], findings: &mut Findings<'_>) {
    let mut words = Vec::new();
    for stage in &file.stages {
        let from = &stage.from;
        words.extend(keyword(source, from.span, &from.text));
        for instruction in &stage.instructions {
            words.extend(keyword(source, instruction.span, &instruction.text));
        }
    }
    check_consistent(&words, file, source, findings);
    for stage in &file.stages {
        check_from(&stage.from, source, findings);
    }
}

/// Checks that keywords are in the case that most of them are in.
fn check_consistent(
    words: &[Word<'_>],
    file: &Dockerfile,
    source: &[u8],
    findings: &mut Findings<'_>,
) {
    let count = |case| words.iter().filter(|it| Case::of(it.text) == case).count();
    let (case, name) = if count(Case::Lower) > count(Case::Upper) {
        (Case::Lower, "lower case")
    } else {
        (Case::Upper, "capitals")
    };
    let is_alone = count(case) == 0;
    // The instructions inside of others follow the rest, and do not decide.
    let inner = file.stages.iter().flat_map(|stage| &stage.instructions);
    let inner = inner.filter_map(|outer| inner_keyword(outer, source));
    for word in words.iter().copied().chain(inner) {
        let text = word.text;
        if Case::of(text) == case {
            continue;
        }
        let message = if is_alone {
            format!("`{text}` is neither in capitals nor in lower case")
        } else {
            format!("`{text}` is not in {name}, as most instructions of this file are")
        };
        let hint = format!("write `{}`", case.apply(text));
        findings.say(
            rules::CONSISTENT_INSTRUCTION_CASING,
            word.span,
            message,
            hint,
        );
    }
}

fn inner_keyword<'a>(outer: &Instruction, source: &'a [u8]) -> Option<Word<'a>> {
    let Kind::Onbuild(inner) = &outer.kind else {
        return None;
    };
    keyword(source, inner.span, &inner.text)
}

/// Checks the `AS` and the name of a stage.
fn check_from(from: &From, source: &[u8], findings: &mut Findings<'_>) {
    let Some(name) = &from.name else {
        return;
    };
    let words: Vec<&str> = from.text.split_whitespace().collect();
    let written = words.windows(2).rev().find_map(|pair| match pair {
        [word, written]
            if word.eq_ignore_ascii_case("as") && written.eq_ignore_ascii_case(name.as_str()) =>
        {
            Some((*word, *written))
        }
        _ => None,
    });
    let Some((word, written)) = written else {
        return;
    };
    if Case::of(written) != Case::Lower {
        let message = format!("the stage `{}` has capital letters", excerpt(written));
        let hint = format!("write `{}`", excerpt(name.as_str()));
        findings.say(rules::STAGE_NAME_CASING, name.span(), message, hint);
    }
    let Some(keyword) = keyword(source, from.span, &from.text) else {
        return;
    };
    let case = Case::of(keyword.text);
    // A keyword of both cases has a finding of its own.
    if case == Case::Mixed || Case::of(word) == case {
        return;
    }
    let span = find_as(source, Span::new(from.base.span().end, name.span().start));
    let message = format!("`{word}` and `{}` are in different case", keyword.text);
    let hint = format!("write `{}`", case.apply(word));
    findings.say(
        rules::FROM_AS_CASING,
        span.unwrap_or(from.span),
        message,
        hint,
    );
}

/// Finds the word between an image and a name.
fn find_as(source: &[u8], span: Span) -> Option<Span> {
    let between = source.get(span.range())?;
    let at = between
        .windows(2)
        .rposition(|word| word.eq_ignore_ascii_case(b"as"))?;
    Some(Span::new(span.start + at, span.start + at + 2))
}

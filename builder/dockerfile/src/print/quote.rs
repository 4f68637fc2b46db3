//! Quotes and escapes of what is printed.

use crate::ast::Heredoc;

/// Says how the value of a flag is quoted. All of them mean the same to the
/// instruction, but not to the shell that looks for heredocs in its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quoting {
    /// No more than has to be.
    Plain,
    /// Nothing is left that means something to a shell.
    Escaped,
    /// A quote in the value opens one for a shell.
    Open,
}

impl Quoting {
    /// Every one, the nicest first.
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::Escaped, Self::Open];
}

/// Gives the value of a flag.
pub(crate) fn flag_value(value: &str, quoting: Quoting) -> String {
    let mut quoted = String::with_capacity(value.len());
    for letter in value.chars() {
        if quoting == Quoting::Open && letter == '\'' {
            // The backslash is one only to the reader of flags.
            quoted.push_str("'\\''");
            continue;
        }
        let is_special = letter.is_whitespace() || matches!(letter, '\'' | '"' | '\\');
        let is_for_shell = quoting == Quoting::Escaped && !letter.is_alphanumeric();
        if is_special || is_for_shell {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted
}

/// Gives the word that announces a heredoc.
pub(crate) fn mark(heredoc: &Heredoc) -> String {
    let name = &heredoc.name;
    let is_plain = |letter: char| letter.is_alphanumeric() || "_-.".contains(letter);
    if heredoc.expands
        && name.starts_with(is_plain)
        && !name.starts_with('-')
        && name.chars().all(is_plain)
    {
        return format!("<<{name}");
    }
    let escaped: String = name.chars().flat_map(|letter| ['\\', letter]).collect();
    match (heredoc.expands, name.contains('\'')) {
        (true, _) => format!("<<{escaped}"),
        (false, false) => format!("<<'{name}'"),
        (false, true) => format!("<<''{escaped}"),
    }
}

/// Gives an array of strings in JSON.
pub(crate) fn json(words: &[impl AsRef<str>]) -> String {
    let words: Vec<String> = words
        .iter()
        .map(|word| json_string(word.as_ref()))
        .collect();
    format!("[{}]", words.join(", "))
}

fn json_string(word: &str) -> String {
    let mut quoted = String::from('"');
    for letter in word.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            letter if letter < ' ' => quoted.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

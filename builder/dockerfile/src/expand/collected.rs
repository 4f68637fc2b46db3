//! What comes of a text, as one value and split at its blanks.

/// Is what a text has become so far, as one value and as words.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// All of it.
    pub(super) value: String,
    words: Vec<String>,
    word: String,
}

impl Collected {
    /// Gives the words.
    pub(super) fn into_words(mut self) -> Vec<String> {
        self.end_word();
        self.words
    }

    /// Adds text in which blanks end words.
    pub(super) fn push(&mut self, text: &str) {
        self.value.push_str(text);
        for letter in text.chars() {
            if letter.is_whitespace() {
                self.end_word();
            } else {
                self.word.push(letter);
            }
        }
    }

    /// Adds text in which blanks are as any other letter.
    pub(super) fn push_whole(&mut self, text: &str) {
        self.value.push_str(text);
        self.word.push_str(text);
    }

    fn end_word(&mut self) {
        if !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
        }
    }
}

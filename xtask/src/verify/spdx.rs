//! Does a licence expression leave us a choice we accept?
//!
//! Understands what the registry's crates write: `AND`, `OR`, `WITH`, parentheses, and the old `/` for `OR`. `WITH` binds an
//! exception to its licence: `Apache-2.0 WITH LLVM-exception` is a name of its own. Anything else is refused, never guessed.

/// Whether `expression` can be satisfied with accepted licences alone; `None` when it is malformed.
pub(super) fn satisfied(expression: &str, accepted: &dyn Fn(&str) -> bool) -> Option<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, accepted };
    let value = parser.either()?;
    parser.words.is_empty().then_some(value)
}

struct Parser<'a> {
    words: &'a [&'a str],
    accepted: &'a dyn Fn(&str) -> bool,
}

impl<'a> Parser<'a> {
    fn either(&mut self) -> Option<bool> {
        let mut value = self.both()?;
        while self.take("OR") {
            // No short cut: the right side must be read even when the left one decides.
            value |= self.both()?;
        }
        Some(value)
    }

    fn both(&mut self) -> Option<bool> {
        let mut value = self.one()?;
        while self.take("AND") {
            value &= self.one()?;
        }
        Some(value)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let value = self.either()?;
            return self.take(")").then_some(value);
        }
        let licence = self.name()?;
        if self.take("WITH") {
            let exception = self.name()?;
            return Some((self.accepted)(&format!("{licence} WITH {exception}")));
        }
        Some((self.accepted)(licence))
    }

    fn take(&mut self, word: &str) -> bool {
        let Some((first, rest)) = self.words.split_first() else { return false };
        let found = *first == word;
        if found {
            self.words = rest;
        }
        found
    }

    fn name(&mut self) -> Option<&'a str> {
        let (first, rest) = self.words.split_first()?;
        let plain = first.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '+' | ':'));
        if !plain || matches!(*first, "AND" | "OR" | "WITH") {
            return None;
        }
        self.words = rest;
        Some(first)
    }
}

#[cfg(test)]
mod tests;

//! Text between two marks in a document, written by a command and never by hand.
//!
//! ```text
//! <!-- NAME: written by `cargo xtask …` -->
//! …
//! <!-- /NAME -->
//! ```

use crate::shell::{self, Failure};

/// Puts `text` between the marks of this name in a document of the repository.
pub(crate) fn write(document: &str, name: &str, text: &str) -> Result<(), Failure> {
    let path = shell::root().join(document);
    let old = std::fs::read_to_string(&path).map_err(|e| Failure::io(path.display(), &e))?;
    let new = replaced(&old, name, text)
        .ok_or_else(|| Failure::new(format!("{document} has no marks `<!-- {name}: … -->` and `<!-- /{name} -->`")))?;
    std::fs::write(&path, new).map_err(|e| Failure::io(path.display(), &e))?;
    println!("wrote the part `{name}` of {document}");
    Ok(())
}

fn replaced(old: &str, name: &str, text: &str) -> Option<String> {
    let opening = old.find(&format!("<!-- {name}:"))?;
    let begin = opening + old[opening..].find("-->")? + "-->".len();
    let end = begin + old[begin..].find(&format!("<!-- /{name} -->"))?;
    Some(format!("{}\n{text}\n{}", &old[..begin], &old[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_the_marks_is_replaced_and_nothing_else() {
        let old = "a\n<!-- x: written by a command -->\nold\n<!-- /x -->\nb\n";
        let new = replaced(old, "x", "new").unwrap_or_default();
        assert_eq!(new, "a\n<!-- x: written by a command -->\nnew\n<!-- /x -->\nb\n");
        assert_eq!(replaced(&new, "x", "new"), Some(new.clone()));
        assert_eq!(replaced(old, "y", "new"), None);
    }
}

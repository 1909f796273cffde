//! Text with `$name` in it, compiled once.

/// Names of variables; a variable is its index.
#[derive(Debug, Default)]
pub(crate) struct Names(Vec<String>);

impl Names {
    /// The variable of this name, a new one where there is none.
    pub(crate) fn index(&mut self, name: &str) -> usize {
        self.0.iter().position(|known| known == name).unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[derive(Debug)]
enum Part {
    Text(Vec<u8>),
    Variable(usize),
}

/// Compiled text.
#[derive(Debug)]
pub(crate) struct Template(Vec<Part>);

impl Template {
    /// Compiles `text`: a name is `$` and what follows of lower-case letters and `_`.
    pub(crate) fn new(text: &str, names: &mut Names) -> Self {
        let mut parts = Vec::new();
        let mut pieces = text.split('$');
        parts.extend(pieces.next().map(|first| Part::Text(first.as_bytes().to_vec())));
        for piece in pieces {
            let end = piece.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(piece.len());
            parts.push(Part::Variable(names.index(&piece[..end])));
            parts.push(Part::Text(piece.as_bytes()[end..].to_vec()));
        }
        Self(parts)
    }

    /// Appends the text with `values` in the place of the variables.
    pub(crate) fn render(&self, values: &[Vec<u8>], to: &mut Vec<u8>) {
        for part in &self.0 {
            match part {
                Part::Text(text) => to.extend_from_slice(text),
                Part::Variable(index) => to.extend_from_slice(&values[*index]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_where_letters_end() {
        let mut names = Names::default();
        let template = Template::new("/a/$one?b=$two_x&$one", &mut names);
        let mut text = Vec::new();
        template.render(&[b"1".to_vec(), b"2".to_vec()], &mut text);
        assert_eq!(text, b"/a/1?b=2&1");
        assert_eq!(names.len(), 2);
    }
}

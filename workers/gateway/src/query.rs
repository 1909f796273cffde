//! The part of an address behind the question mark.

/// Most parameters that are read; the rest is ignored.
const PARAMETERS_MAX: usize = 32;

/// Decoded parameters, in the order sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what stands behind the question mark, percent-encoded.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text.is_empty() {
            return Self::default();
        }
        Self(
            form_urlencoded::parse(text.as_bytes()).take(PARAMETERS_MAX).map(|(k, v)| (k.into_owned(), v.into_owned())).collect(),
        )
    }

    /// The first parameter of this name; an empty one counts as absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_decoded_and_an_empty_one_is_absent() {
        let query = Query::parse("token=a%2Bb&event_id=&name=x+y&token=second");
        assert_eq!(query.get("token"), Some("a+b"));
        assert_eq!(query.get("event_id"), None);
        assert_eq!(query.get("name"), Some("x y"));
        assert_eq!(query.get("absent"), None);
    }
}

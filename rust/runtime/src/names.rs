//! Names of models, parameters, metrics and datasets: the rule for valid names, and suggestions for mistyped
//! ones.

/// Whether a text is a valid name in the protocol: `[a-z][a-z0-9_]{0,62}`.
pub(crate) fn is_name(text: &str) -> bool {
    let tail = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    text.len() <= 63 && text.starts_with(|first: char| first.is_ascii_lowercase()) && text.bytes().all(tail)
}

/// The known name within a third of `name`'s length in edits, nearest first.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Names are short: a longer text is not a typing mistake, and comparing it would be slow.
    if name.len() > 64 {
        return None;
    }
    known
        .map(|candidate| (edits(name.as_bytes(), candidate.as_bytes()), candidate))
        .filter(|(edits, candidate)| *edits <= candidate.len().max(name.len()) / 3)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many names a sentence lists.
const MOST_NAMES: usize = 10;

/// A sentence that suggests the nearest known name, or lists those known, of many the first.
pub(crate) fn suggestion<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    if let Some(near) = nearest(name, known.clone()) {
        return format!("did you mean {near:?}?");
    }
    let listed = known.clone().take(MOST_NAMES).collect::<Vec<_>>().join(", ");
    match known.count() {
        count if count > MOST_NAMES => format!("known names: {listed}, … ({count} in all)"),
        _ => format!("known names: {listed}"),
    }
}

/// Levenshtein distance in bytes.
fn edits(left: &[u8], right: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, byte) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (place, other) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(byte != other);
            diagonal = row[place + 1];
            row[place + 1] = substituted.min(diagonal + 1).min(row[place] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_nearest_name() {
        let known = || ["arrival_rate", "service_rate", "servers", "customers"].into_iter();
        assert_eq!(nearest("arival_rate", known()), Some("arrival_rate"));
        assert_eq!(nearest("server", known()), Some("servers"));
        assert_eq!(nearest("colour", known()), None);
        assert_eq!(edits(b"kitten", b"sitting"), 3);
    }

    #[test]
    fn lists_ten_names_of_many() {
        let names: Vec<String> = (0..200).map(|number| format!("parameter_{number}")).collect();
        let known = |count| names.iter().take(count).map(String::as_str);
        let ten = format!("known names: {}", names[..10].join(", "));
        assert_eq!(suggestion("colour", known(10)), ten);
        assert_eq!(suggestion("colour", known(200)), format!("{ten}, … (200 in all)"));
    }
}

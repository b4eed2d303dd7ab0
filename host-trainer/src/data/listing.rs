//! Lists in messages.

/// Returns the first `most` of some texts with commas between them, and an ellipsis for the others.
pub(crate) fn listed<T: ToString>(texts: impl IntoIterator<Item = T>, most: usize) -> String {
    let mut texts = texts.into_iter();
    let mut shown: Vec<String> = texts.by_ref().take(most).map(|text| text.to_string()).collect();
    if texts.next().is_some() {
        shown.push("...".into());
    }
    shown.join(", ")
}

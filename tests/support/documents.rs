//! The commands that documents show: where they stand, and what of a line is typed.

/// The lines in blocks of code that call usher, without the prompt before them; and the lines outside of blocks.
pub fn lines(text: &str) -> (Vec<&str>, Vec<&str>) {
    let mut in_block = false;
    let (mut calls, mut prose) = (Vec::new(), Vec::new());
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block || line.starts_with("    ") {
            let line = line
                .trim()
                .trim_start_matches("sudo ")
                .trim_start_matches("-u usher ")
                .trim_start_matches("-u usher-office ");
            // `usher 0.1.0 on usher, up 9 s` is an answer.
            let is_called = |rest: &str| rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '-');
            calls.extend(line.strip_prefix("usher ").is_some_and(is_called).then_some(line));
        } else {
            prose.push(line);
        }
    }
    (calls, prose)
}

/// A line without what may be left out of it, the remark behind it, and the pipe after it.
pub fn typed(line: &str) -> String {
    let line = line.split(" [").next().unwrap();
    let (mut quote, mut end) = (None, line.len());
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '#') if before == ' ' => end = end.min(at),
            (None, '|' | '>' | '<' | ';' | '&') => end = end.min(at),
            _ => {}
        }
        before = c;
    }
    line[..end].trim_end().to_owned()
}

/// The words of a command, as a shell would have them.
pub fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in command.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

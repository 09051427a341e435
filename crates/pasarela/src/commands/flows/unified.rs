//! Two texts as a unified diff. Flows are some hundred lines, so the plain table of the longest common
//! part is enough.

/// Lines around a change.
const AROUND: usize = 3;
/// Beyond so many cells the texts are shown whole, one after the other.
const MOST: usize = 4_000_000;

enum Line<'a> {
    Same(&'a str),
    Old(&'a str),
    New(&'a str),
}

/// The difference; `None` when there is none.
pub(super) fn diff(old: &str, new: &str, old_name: &str, new_name: &str) -> Option<String> {
    if old == new {
        return None;
    }
    let lines = compare(&old.lines().collect::<Vec<_>>(), &new.lines().collect::<Vec<_>>());
    let near = |i: usize| {
        let from = i.saturating_sub(AROUND);
        lines.iter().skip(from).take(i - from + AROUND + 1).any(|l| !matches!(l, Line::Same(_)))
    };
    let mut out = format!("--- {old_name}\n+++ {new_name}\n");
    let (mut a, mut b, mut open) = (1, 1, false);
    for (i, line) in lines.iter().enumerate() {
        let shown = near(i);
        if shown && !open {
            let hunk: Vec<&Line<'_>> = (i..lines.len()).take_while(|j| near(*j)).filter_map(|j| lines.get(j)).collect();
            let olds = hunk.iter().filter(|l| !matches!(l, Line::New(_))).count();
            let news = hunk.iter().filter(|l| !matches!(l, Line::Old(_))).count();
            out.push_str(&format!("@@ -{a},{olds} +{b},{news} @@\n"));
        }
        open = shown;
        let (mark, text) = match line {
            Line::Same(text) => (' ', text),
            Line::Old(text) => ('-', text),
            Line::New(text) => ('+', text),
        };
        a += usize::from(!matches!(line, Line::New(_)));
        b += usize::from(!matches!(line, Line::Old(_)));
        if shown {
            out.push(mark);
            out.push_str(text);
            out.push('\n');
        }
    }
    Some(out)
}

fn compare<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let width = new.len() + 1;
    if old.len().saturating_mul(new.len()) > MOST {
        return old.iter().map(|l| Line::Old(l)).chain(new.iter().map(|l| Line::New(l))).collect();
    }
    // Length of the longest common part of what follows (i, j).
    let mut longest = vec![0u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            longest[i * width + j] = if old[i] == new[j] {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            out.push(Line::Same(old[i]));
            i += 1;
            j += 1;
        } else if j == new.len() || (i < old.len() && longest[(i + 1) * width + j] >= longest[i * width + j + 1]) {
            out.push(Line::Old(old[i]));
            i += 1;
        } else {
            out.push(Line::New(new[j]));
            j += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::diff;

    #[test]
    fn a_change_is_shown_with_what_is_around_it() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\ni\n";
        let new = old.replace("e\n", "E\nE2\n");
        let shown = diff(old, &new, "x", "y").unwrap();
        assert_eq!(shown, "--- x\n+++ y\n@@ -2,7 +2,8 @@\n b\n c\n d\n-e\n+E\n+E2\n f\n g\n h\n");
        assert_eq!(diff(old, old, "x", "y"), None);
        assert_eq!(diff("", "a\n", "x", "y").unwrap(), "--- x\n+++ y\n@@ -1,0 +1,1 @@\n+a\n");
    }
}

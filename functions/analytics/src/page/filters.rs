//! What the template does to texts.
// What the macro writes is more public than the function that it is given.
#![allow(unreachable_pub)]

use askama::{
    Values,
    filters::{Html, Safe, escape},
};

/// Sets as code what stands between two backticks, as our sentences have names and examples. Text stays text.
#[askama::filter_fn]
pub(super) fn code(text: &str, _: &dyn Values) -> askama::Result<Safe<String>> {
    let mut markup = String::new();
    let mut rest = text;
    while let Some((before, (inside, after))) = rest
        .split_once('`')
        .and_then(|(before, from)| Some((before, from.split_once('`')?)))
    {
        markup += &format!("{}<code>{}</code>", escape(before, Html)?, escape(inside, Html)?);
        rest = after;
    }
    markup += &escape(rest, Html)?.to_string();
    Ok(Safe(markup))
}

#[cfg(test)]
mod tests {
    use askama::Template;

    use super::super::filters;

    #[derive(Template)]
    #[template(source = "{{ text|code }}", ext = "html")]
    struct Text<'a> {
        text: &'a str,
    }

    #[test]
    fn what_stands_between_backticks_is_code() {
        for (text, markup) in [
            ("is missing", "is missing"),
            ("no `a` and `b`.", "no <code>a</code> and <code>b</code>."),
            ("`<b>` & <b>", "<code>&#60;b&#62;</code> &#38; &#60;b&#62;"),
            ("one ` alone", "one ` alone"),
            ("`a` and ` alone", "<code>a</code> and ` alone"),
            ("``", "<code></code>"),
        ] {
            assert_eq!(Text { text }.render().unwrap(), markup);
        }
    }
}

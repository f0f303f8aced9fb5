//! Line breaks and white space as every XML processor has to read them, which the parser leaves
//! undone in attributes and CDATA sections.

use super::MAX_MESSAGE;

/// The text of a document with every line break as a line feed (XML 1.0, 2.11) and, in the values of
/// attributes, every white space that stands there as such as a space (3.3.3); references like
/// `&#10;` stay what they are. A signature is over this form, whatever the octets were: each document
/// goes through here once, before it is parsed.
///
/// What is over the limit of VAL-01 is left alone, and refused later as it came. So is what is
/// not well-formed: nothing but white space changes, so nothing can become well-formed by it.
#[must_use]
pub fn normalized(source: String) -> String {
    if source.len() > MAX_MESSAGE || !source.contains(['\r', '\n', '\t']) {
        return source;
    }
    let source =
        if source.contains('\r') { source.replace("\r\n", "\n").replace('\r', "\n") } else { source };
    let mut normal = String::with_capacity(source.len());
    let mut rest = source.as_str();
    while let Some(at) = rest.find('<') {
        let (text, markup) = rest.split_at(at);
        normal.push_str(text);
        rest = if markup.starts_with("<![CDATA[") {
            let end = markup.find("]]>").unwrap_or(markup.len());
            let (section, after) = markup.split_at(end);
            normal.push_str(section);
            after
        } else {
            push_tag(&mut normal, markup)
        };
    }
    normal.push_str(rest);
    normal
}

/// Appends a tag, within quotes with spaces for other white space; gives what comes after it.
fn push_tag<'a>(normal: &mut String, markup: &'a str) -> &'a str {
    let mut quote = None;
    for (at, c) in markup.char_indices() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '>') => {
                let (_, after) = markup.split_at(at);
                return after;
            }
            (Some(_) | None, _) => {}
        }
        normal.push(if quote.is_some() && matches!(c, '\t' | '\n') { ' ' } else { c });
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(source: &str) -> String {
        normalized(source.to_owned())
    }

    #[test]
    fn xml_2_11_every_line_break_is_a_line_feed() {
        assert_eq!(normal("<a>x\r\ny\rz\r\r\n</a>\r"), "<a>x\ny\nz\n\n</a>\n");
        assert_eq!(
            normal("<a><![CDATA[x\r\ny\r<b c='\r\n\t'>]]>\r</a>"),
            "<a><![CDATA[x\ny\n<b c='\n\t'>]]>\n</a>"
        );
        // Written as references they are meant; and these two are line breaks in XML 1.1 only.
        for kept in ["<a>&#13;\n&#xD;</a>", "<a>\n\u{85}\u{2028}\t</a>", "<a b='&#10;&#9;&#xD;'>\n</a>"] {
            assert_eq!(normal(kept), kept);
        }
    }

    #[test]
    fn xml_3_3_3_white_space_in_an_attribute_is_a_space() {
        assert_eq!(normal("<a\n\tb='x\ny\tz\r\nw\r'\n>\t\n</a\n>"), "<a\n\tb='x y z w '\n>\t\n</a\n>");
        assert_eq!(normal("<a b=\"'\t>\n\" c='\"\t'>'\t'</a>"), "<a b=\"' > \" c='\" '>'\t'</a>");
        assert_eq!(normal("<a b='ü\t\u{1f9d1}\n'/>"), "<a b='ü \u{1f9d1} '/>");
        assert_eq!(normal("<a xmlns='u\nv'><b c='\n'/>'\n</a>"), "<a xmlns='u v'><b c=' '/>'\n</a>");
    }

    #[test]
    fn val_01_what_is_too_long_stays_so() {
        let long = "\r\n".repeat(MAX_MESSAGE / 2);
        assert_eq!(normalized(long.clone()).len(), MAX_MESSAGE / 2);
        let longer = long + "\r";
        assert_eq!(normalized(longer.clone()), longer);
    }

    #[test]
    fn val_04_what_is_broken_off_stays_so() {
        for broken in ["<", "<a b='\n", "<a b='\t>", "<![CDATA[\t", "\t<a", "\n</", "<a b=\"\n'>", "\n"] {
            let normal = normal(broken);
            assert_eq!(normal.len(), broken.len(), "{broken:?}");
            assert_eq!(
                normal.split_whitespace().collect::<String>(),
                broken.split_whitespace().collect::<String>()
            );
        }
    }
}

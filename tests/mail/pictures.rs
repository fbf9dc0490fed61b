//! Pictures that stand in the source of a page.

use airut::mail::parse::read;
use airut::mail::pictures::{Picture, taken_out};

/// What is left of a page, and the pictures that were in it.
fn taken(html: &str) -> (String, Vec<Picture>) {
    let mut pictures = Vec::new();
    let keep = |picture: Picture| {
        let name = picture.name.clone();
        pictures.push(picture);
        name
    };
    let left = taken_out(html, keep).into_owned();
    (left, pictures)
}

#[test]
fn a_picture_leaves_its_name_where_it_stood() {
    let long = "x".repeat(300);
    let cut = format!("{}.png", "x".repeat(60));
    for (html, left, name, content_type) in [
        (
            "a<img src=\"data:image/png;base64,Y2F0\">b",
            "a<img alt=\"image-1.png\">b",
            "image-1.png",
            "image/png",
        ),
        ("<IMG SRC='DATA:Image/JPEG;BASE64,Y2F0'>", "<img alt=\"image-1.jpg\">", "image-1.jpg", "image/jpeg"),
        (
            "<img src=data:image/gif;x=y;base64,Y2E= />",
            "<img alt=\"image-1.gif\">",
            "image-1.gif",
            "image/gif",
        ),
        (
            "<img src=' data:image/jxl;base64, Y2 F0'>",
            "<img alt=\"image-1.jxl\">",
            "image-1.jxl",
            "image/jxl",
        ),
        (
            "<img alt='A cat' src=data:image/png;base64,Y2F0>",
            "<img alt=\"A cat.png\">",
            "A cat.png",
            "image/png",
        ),
        (
            "<img alt=' ' title=cat.png src=data:image/png;base64,Y2F0>",
            "<img alt=\"cat.png\">",
            "cat.png",
            "image/png",
        ),
        (
            "<img alt='../a&#47;b' src=data:image/png;base64,Y2F0>",
            "<img alt=\"a b.png\">",
            "a b.png",
            "image/png",
        ),
        (
            "<img alt='&lt;&quot;&amp;' src=data:image/png;base64,Y2F0>",
            "<img alt=\"<&quot;&amp;.png\">",
            "<\"&.png",
            "image/png",
        ),
        (
            "<img alt=x data-filename='C:\\a\\b.gif' src=data:image/gif;base64,Y2F0>",
            "<img alt=\"b.gif\">",
            "b.gif",
            "image/gif",
        ),
        (
            "<img alt=x.exe src=data:image/x-icon;base64,Y2F0>",
            "<img alt=\"x.exe.bin\">",
            "x.exe.bin",
            "image/x-icon",
        ),
        (
            "<img src=\"data:image/png;base64,Y2&#x46;0\">",
            "<img alt=\"image-1.png\">",
            "image-1.png",
            "image/png",
        ),
        (
            &format!("<img alt={long} src=data:image/png;base64,Y2F0>"),
            &format!("<img alt=\"{cut}\">"),
            &cut,
            "image/png",
        ),
    ] {
        let (text, pictures) = taken(html);
        assert_eq!((text.as_str(), pictures.len()), (left, 1), "{html}");
        assert_eq!(
            (pictures[0].name.as_str(), pictures[0].content_type.as_str()),
            (name, content_type),
            "{html}"
        );
        assert!(b"cat".starts_with(&pictures[0].bytes) && pictures[0].bytes.len() > 1, "{html}");
    }
}

#[test]
fn what_is_no_picture_is_left_out() {
    for (data, alt) in [
        ("image/png;base64,Y2F0Y", "x"),
        ("image/png;base64,Y2=F0", "x"),
        ("image/png;base64,Y2F*", "x"),
        ("image/png;base64,", "x"),
        ("image/png,Y2F0", "x"),
        ("image/png;base64", "x"),
        ("image/svg+xml;utf8,&lt;svg/&gt;", "x"),
        ("text/html;base64,Y2F0", ""),
        ("image/p\u{0}g;base64,Y2F0", "x"),
        ("", "x"),
    ] {
        let html = format!("a<img alt=\"{alt}\" src=\"data:{data}\">b");
        assert_eq!(taken(&html), (format!("a<img alt=\"{alt}\">b"), Vec::new()));
    }
    for html in [
        "<img src=\"https://example.com/data:image/png;base64,Y2F0\">",
        "<!-- <img src=\"data:image/png;base64,Y2F0\"> -->",
        "<p>data:image/png;base64,Y2F0</p><a href=\"data:image/png;base64,Y2F0\">x</a>",
    ] {
        assert_eq!(taken(html), (html.to_owned(), Vec::new()));
    }
}

#[test]
fn such_pictures_are_attachments_like_others() {
    let page = |body: &str| read(format!("Content-Type: text/html\n\n{body}").as_bytes()).unwrap();
    // Each is another one, and all have one name.
    let many: String = (10_000..10_150)
        .map(|n| format!("<p><img alt=cat src=\"data:image/png;base64,{n}000\"></p>"))
        .collect();
    let mail = page(&many);
    let names: Vec<&str> = mail.attachments.iter().map(|file| file.name.as_str()).collect();
    assert_eq!((names.len(), names[1], names[99]), (100, "cat-2.png", "cat-100.png"));
    let left_out = &mail.left_out;
    assert_eq!((left_out.names.len(), left_out.names[0].as_str(), left_out.more), (20, "cat.png", 30));
    assert!(mail.request.contains("[image: cat-100.png]"), "{}", mail.request);
    // Of very many, those beyond the limit cost no more than being counted.
    let many: String = (0..20_000).map(|n| format!("<img src=data:image/a;base64,{n:08}>")).collect();
    assert_eq!(page(&many).left_out.more, 19_880);
    // One that is sent twice is one file.
    let mail = page(&"<img src=\"data:image/png;base64,Y2F0\">".repeat(50));
    assert_eq!((mail.attachments.len(), mail.request.matches("[image: image-1.png]").count()), (1, 50));
    // More than is looked at of a page, and the text behind it is still read.
    let large = format!("<p>a<img src=\"data:image/png;base64,{}\">b</p>", "Y2F0".repeat(3 << 20));
    let mail = page(&large);
    assert_eq!((mail.request.as_str(), mail.cut), ("a[image: image-1.png]b", false));
    assert_eq!(mail.attachments[0].bytes.len(), 9 << 20);
}

#[test]
fn a_page_never_grows_by_the_names_of_its_pictures() {
    let name = "&".repeat(100);
    let first = format!("<img alt='{name}' src=data:image/a;base64,aaaa>");
    let html = [first, "<img src=data:image/a;base64,aaaa>".repeat(1_000)].concat();
    let (left, pictures) = taken(&html);
    assert!(left.len() <= html.len() && pictures.len() == 1, "{} bytes out of {}", left.len(), html.len());
}

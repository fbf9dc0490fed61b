use airut::format::size::Size;

#[test]
fn sizes_are_read_as_people_write_them() {
    for (text, bytes) in
        [("0", 0), ("17", 17), ("1k", 1 << 10), ("512m", 512 << 20), ("1G", 1 << 30), ("2t", 2 << 40)]
    {
        assert_eq!(text.parse::<Size>().unwrap(), Size(bytes), "{text}");
    }
    for text in ["", "g", "1gb", "1kk", "+1", "-1", "1.5g", " 1g", "99999999999t", "1 g"] {
        assert!(text.parse::<Size>().unwrap_err().contains("allowed"), "{text}");
    }
}

#[test]
fn sizes_are_shown_in_the_unit_that_people_would_take() {
    for (bytes, shown) in [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1 << 10, "1 KB"),
        (1_600_000, "1.5 MB"),
        ((20 << 30) - 1, "19.9 GB"),
        (20 << 30, "20 GB"),
        ((512 << 20) + 900_000, "512 MB"),
        (u64::MAX, "16777215 TB"),
    ] {
        assert_eq!(Size(bytes).to_string(), shown);
    }
}

use super::{
    Answer, Request,
    server::{answer, empty},
};

#[test]
fn the_naive_relay_does_its_work_all_the_same() {
    let folder = tempfile::tempdir().expect("a directory");
    let database = empty(folder.path()).expect("a database");
    for expected in 1..=150 {
        let pushed = answer(&database, Request::Push { blob: vec![1, 2, 3] }).expect("an answer");
        assert!(matches!(pushed, Answer::Pushed { cursor } if cursor == expected));
    }
    let welcome = answer(&database, Request::Hello).expect("an answer");
    assert!(matches!(welcome, Answer::Welcome { waiting: 150 }));
    let Answer::Page { blobs } = answer(&database, Request::Pull { after: 20 }).expect("an answer") else {
        panic!("not a page")
    };
    assert_eq!((blobs.len(), blobs[0].0, &blobs[0].1[..]), (100, 21, &[1, 2, 3][..]));
}

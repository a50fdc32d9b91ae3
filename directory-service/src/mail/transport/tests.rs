use std::os::unix::fs::PermissionsExt as _;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::*;

/// Never answers.
const SILENCE: &str = "";

/// A server that takes one mail, but answers the command `verb` with `reply`; none: it hangs up.
async fn sent_to(verb: &'static str, reply: Option<&'static str>) -> Result<(), Refused> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let (mut command, mut line) = ("GREETING".to_owned(), String::new());
        loop {
            let usual = match command.as_str() {
                "GREETING" => "220 ready",
                "DATA" => "354 go on",
                "QUIT" => "221 bye",
                _ => "250 fine",
            };
            match (command == verb, reply) {
                (true, None) => return,
                (true, Some(SILENCE)) => {}
                (true, Some(reply)) => stream.write_all(format!("{reply}\r\n").as_bytes()).await.unwrap(),
                (false, _) => stream.write_all(format!("{usual}\r\n").as_bytes()).await.unwrap(),
            }
            let in_message = command == "DATA" && command != verb;
            loop {
                line.clear();
                if stream.read_line(&mut line).await.unwrap_or_default() == 0 {
                    return;
                }
                if !in_message || line == ".\r\n" {
                    break;
                }
            }
            command = line.split_whitespace().next().unwrap_or_default().to_owned();
        }
    });
    let server = MailServer::new("127.0.0.1", port, Encryption::None, None, None).unwrap();
    let sent = server.send(&letter(b"Subject: x\r\n\r\nx\r\n")).await;
    serving.await.unwrap();
    sent
}

#[tokio::test]
async fn what_a_mail_came_to_does_not_wait_for_the_answer_to_quit() {
    let sent = timeout(Duration::from_secs(30), sent_to("QUIT", Some(SILENCE)));
    assert_eq!(sent.await, Ok(Ok(())));
}

#[tokio::test]
async fn a_refusal_means_what_its_step_and_its_code_say() {
    assert_eq!(sent_to("NOOP", None).await, Ok(()));
    let refused = |why: &str, remedy| {
        Err(Refused {
            why: why.to_owned(),
            remedy,
        })
    };
    for (verb, reply, why, remedy) in [
        (
            "GREETING",
            Some("421 4.3.2 down"),
            "the mail server refused the connection: 421 4.3.2",
            Remedy::Wait,
        ),
        (
            "GREETING",
            Some("554 no"),
            "the mail server refused the connection: 554",
            Remedy::Operator,
        ),
        ("GREETING", None, "the mail server cannot be reached", Remedy::Wait),
        ("EHLO", Some("what?"), "the mail server cannot be reached", Remedy::Wait),
        (
            "MAIL",
            Some("451 4.7.1 later"),
            "the mail server refused the sender: 451 4.7.1",
            Remedy::Wait,
        ),
        (
            "MAIL",
            Some("550 5.7.1 not you"),
            "the mail server refused the sender: 550 5.7.1",
            Remedy::Operator,
        ),
        (
            "RCPT",
            Some("450 4.2.1 <b@example.com> is busy"),
            "the mail server refused the recipient: 450 4.2.1",
            Remedy::Wait,
        ),
        (
            "RCPT",
            Some("550-5.1.1 b@example.com\r\n550 5.1.1 unknown"),
            "the mail server refused the recipient: 550 5.1.1",
            Remedy::Never,
        ),
        (
            "RCPT",
            Some("550 b@example.com unknown"),
            "the mail server refused the recipient: 550",
            Remedy::Never,
        ),
        (
            "RCPT",
            Some("530 5.7.0 log in"),
            "the mail server refused the recipient: 530 5.7.0",
            Remedy::Operator,
        ),
        ("RCPT", None, "the connection to the mail server broke", Remedy::Wait),
        (
            "DATA",
            Some("554 5.5.1 nobody"),
            "the mail server refused the message: 554 5.5.1",
            Remedy::Never,
        ),
        (
            ".",
            Some("452 4.3.1 full"),
            "the mail server refused the message: 452 4.3.1",
            Remedy::Wait,
        ),
        (
            ".",
            Some("554 5.7.1 spam"),
            "the mail server refused the message: 554 5.7.1",
            Remedy::Never,
        ),
        (".", None, "the connection to the mail server broke", Remedy::Wait),
    ] {
        assert_eq!(sent_to(verb, reply).await, refused(why, remedy), "{verb} {reply:?}");
    }
}

#[tokio::test]
async fn nothing_is_sent_in_the_clear_to_a_server_without_starttls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 ready\r\n").await.unwrap();
        let mut heard = String::new();
        while stream.read_line(&mut heard).await.unwrap_or_default() > 0 {
            stream.write_all(b"250 fine\r\n").await.unwrap_or_default();
        }
        heard
    });
    let server = MailServer::new("127.0.0.1", port, Encryption::StartTls, None, None).unwrap();

    let refused = server.send(&letter(b"secret")).await;

    assert_eq!(refused, Err(Refused::misconfigured("the mail server has no STARTTLS")));
    let heard = serving.await.unwrap();
    assert!(heard.lines().all(|line| line.starts_with("EHLO ")), "{heard}");
}

fn letter(bytes: &[u8]) -> Letter {
    Letter {
        from: "a@example.com".parse().unwrap(),
        to: "b@example.com".parse().unwrap(),
        bytes: bytes.to_vec(),
    }
}

#[tokio::test]
async fn a_file_is_private_whole_and_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = folder.path().join("deep").join("outbox");
    let file = outbox.join("user-1.eml");

    write_file(file.clone(), letter(b"first, and longer")).await.unwrap();
    write_file(file.clone(), letter(b"second")).await.unwrap();

    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&outbox), mode(&file)), (0o700, 0o600));
    assert_eq!(std::fs::read(&file).unwrap(), b"second");
    assert_eq!(std::fs::read_dir(&outbox).unwrap().count(), 1, "no draft is left");

    let refused = write_file(file.join("below-a-file.eml"), letter(b"x"))
        .await
        .unwrap_err();
    assert_eq!(refused.remedy, Remedy::Operator);
    assert!(
        refused.why.starts_with("the file cannot be written: "),
        "{}",
        refused.why
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_waited_for() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let server = MailServer::new("127.0.0.1", port, Encryption::None, None, None).unwrap();

    assert_eq!(
        server.send(&letter(b"x")).await,
        Err(Refused::for_now("the mail server cannot be reached"))
    );
}

#[test]
fn enhanced_codes_are_told_from_words() {
    for good in ["5.1.1", "4.7.0", "5.999.12"] {
        assert!(is_enhanced_code(good), "{good}");
    }
    for bad in [
        "",
        "5.1",
        "5.1.1.1",
        "3.1.1",
        "5.1.ada@example.com",
        "5.1.1234",
        "5..1",
        "<ada@example.com>",
    ] {
        assert!(!is_enhanced_code(bad), "{bad}");
    }
}

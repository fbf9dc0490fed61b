use crate::proxy::world::{World, runtime};
use hyper::Request;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

/// Waits until the server has noticed that nobody waits for its answer.
fn wait_for_gone(world: &World) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !world.server.seen().iter().any(|seen| seen.line == "gone") {
        assert!(Instant::now() < deadline, "the server still works on it");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn wait_for_request(world: &World) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while world.server.seen().is_empty() {
        assert!(Instant::now() < deadline, "the request did not arrive");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_client_that_goes_away_takes_its_request_with_it() {
    for world in World::each() {
        let mut stream = world.tls("api.example.com");
        stream.write_all(b"GET /hang HTTP/1.1\r\nHost: api.example.com\r\n\r\n").unwrap();
        wait_for_request(&world);
        // As the relay passes on that the agent's side was closed.
        stream.sock.shutdown(Shutdown::Write).unwrap();
        wait_for_gone(&world);
        world.log_with(" GET https://api.example.com/hang status=0 ");
    }
}

#[test]
fn a_stream_that_is_reset_takes_its_request_with_it() {
    let world = World::new();
    runtime().block_on(async {
        let mut sender = world.h2("api.example.com").await;
        let request = Request::get("https://api.example.com/hang").body(String::new()).unwrap();
        let answer = sender.send_request(request);
        tokio::select! {
            _ = answer => panic!("/hang was answered"),
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    });
    wait_for_gone(&world);
}

#[test]
fn a_plain_client_may_close_its_side_and_still_be_answered() {
    let world = World::new();
    let mut stream = world.socket("80");
    let request = "GET /later HTTP/1.1\r\nHost: plain.example.com\r\n\r\n";
    stream.write_all(request.repeat(2).as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer.matches("hello from upstream").count(), 2, "{answer}");
}

// The drafts that cppzmq uses: pollers, and options. Debian's libzmq has none, so this one runs with our library alone.

#define ZMQ_BUILD_DRAFT_API
#include "say.hpp"
#include <fcntl.h>
#include <future>
#include <unistd.h>

using zmq::event_flags;

template <typename Poller> size_t wait (Poller &poller, size_t room, std::chrono::milliseconds timeout)
{
    std::vector<zmq::poller_event<char>> events (room);
    size_t count = poller.wait_all (events, timeout);
    printf ("%zu:", count);
    for (size_t i = 0; i < count; i++)
        printf (" %s %d", events[i].user_data ? events[i].user_data : "nameless", (int) events[i].events);
    puts ("");
    return count;
}

static void pollers (zmq::context_t &context)
{
    auto push = make (context, socket_type::push), pull = make (context, socket_type::pull);
    join (pull, push, "inproc://pollers");
    zmq::poller_t<char> poller;
    char names[][5] = {"pull", "push"};
    attempt ("add", [&] { poller.add (pull, event_flags::pollin, names[0]); });
    attempt ("again", [&] { poller.add (pull, event_flags::pollin, names[0]); });
    attempt ("no such event", [&] { poller.add (push, static_cast<event_flags> (16), names[1]); });
    attempt ("no such event later", [&] { poller.modify (pull, static_cast<event_flags> (-1)); });
    attempt ("not there", [&] { poller.modify (push, event_flags::pollout); });
    attempt ("not there", [&] { poller.remove (push); });
    attempt ("no socket", [&] { poller.add (zmq::socket_ref (), event_flags::pollin); });
    printf ("size %zu\n", poller.size ());
    wait (poller, 2, 0ms);
    wait (poller, 2, 20ms);
    push.send (zmq::str_buffer ("a"));
    wait (poller, 2, 10s);
    poller.add (push, event_flags::pollout | event_flags::pollin, names[1]);
    wait (poller, 2, -1ms);
    wait (poller, 1, -1ms);
    poller.modify (push, event_flags::none);
    wait (poller, 2, -1ms);
    puts (take (pull).c_str ());
    wait (poller, 2, 0ms);
    poller.remove (pull);
    poller.modify (push, event_flags::pollout);
    wait (poller, 2, -1ms);
    attempt ("closed", [&] {
        auto closed = make (context, socket_type::pull);
        zmq::socket_ref reference (zmq::from_handle, closed.handle ());
        poller.add (reference, event_flags::pollin);
        closed.close ();
        wait (poller, 2, -1ms);
    });

    auto later = std::async (std::launch::async, [&] {
        std::this_thread::sleep_for (50ms);
        push.send (zmq::str_buffer ("later"));
    });
    zmq::poller_t<char> other;
    other.add (pull, event_flags::pollin);
    wait (other, 1, -1ms);
    later.get ();
    puts (take (pull).c_str ());

    zmq::poller_t<> of_nothing, moved = std::move (of_nothing);
    std::vector<zmq::poller_event<>> none, one (1);
    attempt ("nothing", [&] { moved.wait_all (one, -1ms); });
    attempt ("no room", [&] { moved.wait_all (none, 0ms); });
}

static void descriptors (zmq::context_t &context)
{
    auto pull = make (context, socket_type::pull);
    void *poller = zmq_poller_new ();
    int ends[2], number = 4711;
    if (pipe (ends) != 0)
        return;
    printf ("%d", zmq_poller_add_fd (poller, ends[0], &number, ZMQ_POLLIN));
    printf (" %d", zmq_poller_add (poller, pull.handle (), nullptr, ZMQ_POLLIN));
    printf (" %d\n", zmq_poller_size (poller));
    zmq_poller_event_t event;
    printf ("%d", zmq_poller_wait (poller, &event, 0));
    printf (" %d, fd %d\n", zmq_errno () == EAGAIN, event.fd);
    (void) !write (ends[1], "x", 1);
    printf ("%d", zmq_poller_wait (poller, &event, 10000));
    printf (" %d %d %d %d\n", event.fd == ends[0], event.events, event.user_data == &number, event.socket == nullptr);
    printf ("%d", zmq_poller_modify_fd (poller, ends[0], ZMQ_POLLERR));
    printf (" %d\n", zmq_poller_wait (poller, &event, 0));
    printf ("%d", zmq_poller_remove_fd (poller, ends[0]));
    printf (" %d", zmq_poller_remove_fd (poller, ends[0]));
    printf (" %d", zmq_poller_add_fd (poller, -1, nullptr, ZMQ_POLLIN));
    printf (" %d", zmq_poller_add_fd (poller, ends[0], nullptr, 32));
    printf (" %d\n", zmq_poller_modify_fd (poller, ends[0], ZMQ_POLLIN));
    zmq_pollitem_t item = {nullptr, ends[1], ZMQ_POLLOUT, 0};
    sigset_t mask;
    sigemptyset (&mask);
    printf ("%d", zmq_ppoll (&item, 1, 10000, nullptr));
    printf (" %d", item.revents);
    printf (" %d", zmq_ppoll (&item, 1, 10000, &mask));
    printf (" %d\n", zmq_errno () == ENOTSUP);
    void *same = poller;
    printf ("%d %d", zmq_poller_destroy (&poller), poller == nullptr);
    printf (" %d", zmq_poller_destroy (&same));
    printf (" %d\n", zmq_errno () == EFAULT);
    close (ends[0]);
    close (ends[1]);
}

static void active_pollers (zmq::context_t &context)
{
    auto push = make (context, socket_type::push), pull = make (context, socket_type::pull);
    join (pull, push, "tcp://127.0.0.1:*");
    zmq::active_poller_t poller;
    int left = 10;
    poller.add (pull, event_flags::pollin, [&] (event_flags events) {
        printf ("%d %s\n", (int) events, take (pull).c_str ());
        if (--left == 0)
            poller.remove (pull);
    });
    poller.add (push, event_flags::pollout, [&] (event_flags) {
        push.send (zmq::str_buffer ("tick"));
        poller.modify (push, event_flags::none);
    });
    attempt ("again", [&] { poller.add (push, event_flags::pollout, [] (event_flags) {}); });
    while (poller.size () == 2) {
        poller.wait (-1ms);
        poller.modify (push, event_flags::pollout);
    }
    poller.remove (push);
    printf ("empty %d\n", poller.empty ());

    zmq::context_t other;
    auto waiting = make (other, socket_type::pull);
    poller.add (waiting, event_flags::pollin, [] (event_flags) {});
    auto end = std::async (std::launch::async, [&] {
        std::this_thread::sleep_for (50ms);
        other.shutdown ();
    });
    attempt ("ended", [&] { poller.wait (-1ms); });
}

static void options (zmq::context_t &context)
{
    auto router = make (context, socket_type::router), dealer = make (context, socket_type::dealer);
    attempt ("notify", [&] { router.set (sockopt::router_notify, ZMQ_NOTIFY_CONNECT | ZMQ_NOTIFY_DISCONNECT); });
    attempt ("notify", [&] { router.set (sockopt::router_notify, 4); });
    attempt ("notify", [&] { dealer.set (sockopt::router_notify, 1); });
    printf ("%d %d\n", router.get (sockopt::router_notify), dealer.get (sockopt::router_notify));
    dealer.set (sockopt::routing_id, "who");
    join (router, dealer, "tcp://127.0.0.1:*");
    printf ("%s", take (router).c_str ());
    printf (" %s\n", take (router).c_str ());
    dealer.close ();
    printf ("%s", take (router).c_str ());
    printf (" %s\n", take (router).c_str ());
    attempt ("group", [&] { zmq::message_t ().set_group ("a"); });
    attempt ("type", [&] { make (context, socket_type::client); });
}

int main ()
{
    setvbuf (stdout, nullptr, _IOLBF, 0);
    zmq::context_t context;
    pollers (context);
    descriptors (context);
    active_pollers (context);
    options (context);
    return 0;
}

// Sockets, messages, monitors and contexts by cppzmq.

#include "say.hpp"
#include <array>
#include <atomic>
#include <future>
#include <iterator>

static std::atomic<int> freed;

static void release (void *data, void *hint)
{
    delete[] static_cast<char *> (data);
    *static_cast<std::atomic<int> *> (hint) += 1;
}

static void errors ()
{
    zmq::context_t context;
    auto pair = make (context, socket_type::pair);
    attempt ("type", [&] { zmq::socket_t socket (context, 99); });
    attempt ("no transport", [&] { pair.bind ("nothing://here"); });
    attempt ("no endpoint", [&] { pair.connect ("tcp:/here"); });
    attempt ("no address", [&] { pair.bind ("tcp://nosuchdevice:1"); });
    attempt ("bound", [&] { pair.bind ("inproc://errors"); });
    attempt ("bound twice", [&] { make (context, socket_type::pair).bind ("inproc://errors"); });
    attempt ("not bound", [&] { pair.unbind ("inproc://other"); });
    attempt ("not connected", [&] { pair.disconnect ("tcp://127.0.0.1:1"); });
    attempt ("option", [&] { pair.set (sockopt::linger, -2); });
    attempt ("option of others", [&] { pair.set (sockopt::subscribe, "a"); });
    attempt ("text", [&] { pair.set (sockopt::zap_domain, std::string (300, 'a')); });
    attempt ("key", [&] { pair.set (sockopt::curve_publickey, "short"); });
    attempt ("REQ receives first", [&] { take (make (context, socket_type::req)); });
    attempt ("REP sends first", [&] { make (context, socket_type::rep).send (zmq::str_buffer ("a"), send_flags::none); });
    attempt ("PUSH receives", [&] { take (make (context, socket_type::push)); });
    attempt ("closed", [&] {
        auto socket = make (context, socket_type::pull);
        socket.close ();
        take (socket);
    });
    attempt ("threads", [&] { context.set (zmq::ctxopt::io_threads, -1); });
    attempt ("forwarded", [&] {
        zmq::socket_t nowhere;
        zmq::proxy (pair, nowhere);
    });
    zmq::message_t message ("a", 1);
    auto sent = make (context, socket_type::push).send (message, send_flags::dontwait);
    printf ("sent %d, still %zu bytes\n", sent.has_value (), message.size ());
    printf ("received %d\n", pair.recv (message, recv_flags::dontwait).has_value ());
}

static void messages ()
{
    zmq::message_t empty, sized (1000), text (std::string ("some text")), copied (text.data (), text.size ());
    std::vector<int> numbers = {1, 2, 3};
    zmq::message_t of_range (numbers), of_iterators (numbers.begin (), numbers.end ());
    printf ("%zu %zu %zu %zu %zu\n", empty.size (), sized.size (), text.size (), of_range.size (), of_iterators.size ());
    printf ("equal %d %d %d\n", text == copied, of_range == of_iterators, text == sized);
    printf ("%s\n", text.str ().c_str ());

    for (size_t size : {1, 100, 100000}) {
        zmq::message_t given (new char[size], size, release, &freed), shared;
        shared.copy (given);
        zmq::message_t moved (std::move (given));
        printf ("%zu: moved %zu, left %zu, shared %zu, freed %d\n", size, moved.size (), given.size (), shared.size (),
                freed.load ());
        moved.rebuild ();
        printf ("freed %d\n", freed.load ());
        shared.rebuild ("other", 5);
        printf ("%s, freed %d\n", shared.to_string ().c_str (), freed.load ());
    }
    swap (text, sized);
    printf ("%zu %zu\n", text.size (), sized.size ());
    sized.move (text);
    printf ("%zu %zu\n", text.size (), sized.size ());
    attempt ("property", [&] { empty.gets ("User-Id"); });
    attempt ("number", [&] { empty.get (77); });
}

static void patterns (const char *wild, const char *other)
{
    zmq::context_t context (2);
    printf ("%s, %d threads\n", wild, context.get (zmq::ctxopt::io_threads));
    auto push = make (context, socket_type::push), pull = make (context, socket_type::pull);
    join (pull, push, wild);
    printf ("sent %zu\n", push.send (zmq::str_buffer ("from a buffer"), send_flags::none).value ());
    push.send (zmq::message_t (new char[500](), 500, release, &freed), send_flags::sndmore);
    push.send (zmq::message_t (), send_flags::none);
    std::array<char, 4> room;
    auto cut = pull.recv (zmq::buffer (room), recv_flags::none);
    printf ("%zu of %zu, cut off %d: %.4s\n", cut->size, cut->untruncated_size, cut->truncated (), room.data ());
    zmq::message_t message;
    printf ("%zu", pull.recv (message).value ());
    printf (" more %d %d", message.more (), pull.get (sockopt::rcvmore));
    printf (", then %zu\n", pull.recv (message).value ());

    std::vector<zmq::pollitem_t> items = {{pull, 0, ZMQ_POLLIN, 0}, {push, 0, ZMQ_POLLOUT, 0}};
    printf ("ready %d:", zmq::poll (items, 10s));
    printf (" %d %d\n", items[0].revents, items[1].revents);
    push.send (zmq::str_buffer ("polled"));
    items.pop_back ();
    printf ("ready %d: %d\n", zmq::poll (items, -1ms), items[0].revents);
    printf ("%s\n", take (pull).c_str ());

    auto req = make (context, socket_type::req), rep = make (context, socket_type::rep);
    join (rep, req, other);
    std::array<zmq::const_buffer, 3> question = {zmq::str_buffer ("a"), zmq::str_buffer (""), zmq::str_buffer ("question")};
    printf ("sent %zu\n", zmq::send_multipart (req, question).value ());
    std::vector<zmq::message_t> parts;
    printf ("got %zu:", zmq::recv_multipart (rep, std::back_inserter (parts)).value ());
    for (auto &part : parts)
        printf (" [%s]", part.to_string ().c_str ());
    const char *address = nullptr;
    attempt ("\naddress", [&] { address = parts[2].gets ("Peer-Address"); });
    attempt ("type", [&] { printf ("%s ", parts[2].gets ("Socket-Type")); });
    printf ("127.0.0.1 %d\n", address && std::string (address) == "127.0.0.1");
    zmq::multipart_t answer;
    answer.addstr ("an");
    answer.addtyp<uint64_t> (4711);
    answer.pushstr ("first");
    printf ("sent %d, left %zu\n", answer.send (rep), answer.size ());
    zmq::multipart_t answered (req);
    printf ("%zu: %s", answered.size (), answered.popstr ().c_str ());
    printf (" %s", answered.popstr ().c_str ());
    printf (" %d\n", (int) answered.poptyp<uint64_t> ());
    zmq::send_multipart (req, question);
    std::array<zmq::message_t, 2> few;
    attempt ("too few places", [&] { (void) zmq::recv_multipart_n (rep, few.begin (), few.size ()); });
    printf ("%s\n", take (rep).c_str ());
    printf ("nothing %d\n", zmq::recv_multipart (req, few.begin (), recv_flags::dontwait).has_value ());
    std::vector<zmq::message_t> encoded;
    zmq::decode (zmq::encode (question), std::back_inserter (encoded));
    printf ("decoded %zu\n", encoded.size ());

    auto router = make (context, socket_type::router), dealer = make (context, socket_type::dealer);
    dealer.set (sockopt::routing_id, "who");
    router.set (sockopt::router_mandatory, true);
    join (router, dealer, std::string (wild) + (wild[0] == 'i' && wild[1] == 'n' ? "2" : ""));
    dealer.send (zmq::str_buffer ("hello"));
    std::string who = take (router);
    printf ("%s %s\n", who.c_str (), take (router).c_str ());
    attempt ("to nobody", [&] { router.send (zmq::str_buffer ("nobody"), send_flags::sndmore); });
    router.send (zmq::str_buffer ("who"), send_flags::sndmore);
    router.send (zmq::str_buffer ("back"));
    printf ("%s, id %s\n", take (dealer).c_str (), dealer.get (sockopt::routing_id).c_str ());

    auto pub = make (context, socket_type::xpub), sub = make (context, socket_type::sub);
    join (pub, sub, std::string (other) + (other[0] == 'i' && other[1] == 'n' ? "2" : ""));
    sub.set (sockopt::subscribe, "top");
    std::string subscribed = take (pub);
    printf ("%d %s\n", subscribed[0], subscribed.c_str () + 1);
    pub.send (zmq::str_buffer ("else"));
    pub.send (zmq::str_buffer ("topic"), send_flags::sndmore);
    pub.send (zmq::str_buffer ("body"));
    printf ("%s ", take (sub).c_str ());
    printf ("%s\n", take (sub).c_str ());
    sub.set (sockopt::unsubscribe, "top");
    printf ("%d\n", take (pub)[0]);
    printf ("freed %d\n", freed.load ());
}

static void sockets ()
{
    zmq::context_t context;
    auto one = make (context, socket_type::pair), other = make (context, socket_type::pair);
    zmq::socket_ref reference = one;
    printf ("same %d, other %d, none %d\n", reference == one, reference == other, zmq::socket_ref () == nullptr);
    swap (one, other);
    printf ("same %d, other %d\n", reference == one, reference == other);
    zmq::socket_t moved = std::move (one);
    printf ("left %d, there %d\n", one.handle () == nullptr, moved.handle () != nullptr);
    printf ("type %d, events %d, thread safe %d\n", (int) moved.get (sockopt::socket_type), moved.get (sockopt::events),
            moved.get (sockopt::thread_safe));
    moved.set (sockopt::sndhwm, 17);
    moved.set (sockopt::maxmsgsize, int64_t (1) << 20);
    moved.set (sockopt::affinity, uint64_t (1));
    moved.set (sockopt::heartbeat_ttl, 1234);
    moved.set (sockopt::plain_username, "somebody");
    printf ("%d %lld %d %d %s %d\n", moved.get (sockopt::sndhwm), (long long) moved.get (sockopt::maxmsgsize),
            (int) moved.get (sockopt::affinity), moved.get (sockopt::heartbeat_ttl),
            moved.get (sockopt::plain_username).c_str (), moved.get (sockopt::mechanism));
    if (zmq_has ("curve")) {
        moved.set (sockopt::curve_serverkey, "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7");
        printf ("%s %d\n", moved.get (sockopt::curve_serverkey).c_str (), moved.get (sockopt::mechanism));
    }
    context.set (zmq::ctxopt::max_sockets, 2);
    printf ("%d %d %d\n", context.get (zmq::ctxopt::max_sockets), context.get (zmq::ctxopt::ipv6),
            context.get (zmq::ctxopt::msg_t_size));
}

// Prints what happens to a server; values are descriptors.
struct Monitor : zmq::monitor_t {
    const char *done = nullptr;
    int seen = 0;

    void say (const char *what, const char *address)
    {
        seen += 1;
        printf ("%d %s at %.6s\n", seen, what, address);
    }
    void on_event_listening (const zmq_event_t &, const char *address) override { say ("listening", address); }
    void on_event_accepted (const zmq_event_t &, const char *address) override { say ("accepted", address); }
    void on_event_handshake_succeeded (const zmq_event_t &, const char *address) override { say ("admitted", address); }
    void on_event_disconnected (const zmq_event_t &, const char *address) override { say ("disconnected", address); }
    void on_event_closed (const zmq_event_t &, const char *address) override { say ("closed", address); }
    void on_event_unknown (const zmq_event_t &event, const char *) override { printf ("unknown %d\n", event.event); }

    void expect (int count)
    {
        while (seen < count && check_event (10000))
            ;
    }
};

static void monitors (const char *wild)
{
    zmq::context_t context;
    auto server = make (context, socket_type::pull);
    Monitor monitor;
    monitor.init (server, "inproc://monitor");
    printf ("nothing %d\n", monitor.check_event (20));
    server.bind (wild);
    auto client = make (context, socket_type::push);
    client.connect (server.get (sockopt::last_endpoint));
    client.send (zmq::str_buffer ("a"));
    printf ("%s\n", take (server).c_str ());
    monitor.expect (3);
    client.close ();
    monitor.expect (4);
    server.close ();
    monitor.expect (5);
    while (monitor.check_event (10000))
        ;
    puts ("stopped");

    Monitor aborted;
    auto other = make (context, socket_type::pull);
    aborted.init (other, "inproc://aborted");
    aborted.abort ();
    other.bind (wild);
    printf ("after the end %d\n", aborted.check_event (20));
}

static void endings ()
{
    zmq::context_t context;
    auto pull = make (context, socket_type::pull);
    pull.set (sockopt::rcvtimeo, -1);
    pull.bind ("inproc://endings");
    auto blocked = std::async (std::launch::async, [&] {
        try {
            take (pull);
            return 0;
        } catch (const zmq::error_t &error) {
            return error.num ();
        }
    });
    std::this_thread::sleep_for (50ms);
    context.shutdown ();
    printf ("terminated %d\n", blocked.get () == ETERM);
    attempt ("socket", [&] { make (context, socket_type::pull); });
    attempt ("poll", [&] {
        std::vector<zmq::pollitem_t> items = {{pull, 0, ZMQ_POLLIN, 0}};
        zmq::poll (items, -1ms);
    });
    pull.close ();
    context.close ();
    printf ("closed %d\n", context.handle () == nullptr);

    zmq::context_t second, third = std::move (second);
    auto front = make (third, socket_type::router), back = make (third, socket_type::dealer);
    auto tap = make (third, socket_type::push), tapped = make (third, socket_type::pull);
    auto control = make (third, socket_type::pair), controller = make (third, socket_type::pair);
    join (tapped, tap, "inproc://tap");
    join (control, controller, "inproc://control");
    auto req = make (third, socket_type::req), rep = make (third, socket_type::rep);
    join (front, req, "inproc://front");
    join (back, rep, "inproc://back");
    auto proxy = std::async (std::launch::async, [&] { zmq::proxy_steerable (zmq::socket_ref (front), back, tap, control); });
    req.send (zmq::str_buffer ("through"));
    printf ("%s\n", take (rep).c_str ());
    rep.send (zmq::str_buffer ("and back"));
    printf ("%s\n", take (req).c_str ());
    // Who asks, nothing, and the question; then the same of the answer.
    for (int frame = 0; frame < 6; frame++) {
        std::string seen = take (tapped);
        printf ("%s;", frame % 3 == 0 ? "id" : seen.c_str ());
    }
    puts ("");
    controller.send (zmq::str_buffer ("TERMINATE"));
    attempt ("steered", [&] { proxy.get (); });
}

int main ()
{
    setvbuf (stdout, nullptr, _IOLBF, 0);
    auto version = zmq::version ();
    printf ("%d.%d\n", std::get<0> (version), std::get<1> (version));
    errors ();
    messages ();
    sockets ();
    patterns ("inproc://one", "inproc://other");
    patterns ("tcp://127.0.0.1:*", "tcp://127.0.0.1:*");
    patterns ("ipc://*", "ipc://*");
    monitors ("tcp://127.0.0.1:*");
    monitors ("ipc://*");
    endings ();
    return 0;
}

// What the programs share: each prints what cppzmq makes of what it is told, and the same must come out with every ZeroMQ.

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>
#include <zmq_addon.hpp>

using namespace std::chrono_literals;
using zmq::recv_flags;
using zmq::send_flags;
using zmq::socket_type;
namespace sockopt = zmq::sockopt;

/* Prints what was thrown, if something was. */
template <typename Action> void attempt (const char *what, Action action)
{
    try {
        action ();
        printf ("%s: done\n", what);
    } catch (const zmq::error_t &error) {
        printf ("%s: %d, %s\n", what, error.num (), error.what ());
    } catch (const std::exception &error) {
        printf ("%s: %s\n", what, error.what ());
    }
}

inline zmq::socket_t make (zmq::context_t &context, socket_type type)
{
    zmq::socket_t socket (context, type);
    socket.set (sockopt::linger, 0);
    socket.set (sockopt::rcvtimeo, 10000);
    socket.set (sockopt::sndtimeo, 10000);
    return socket;
}

inline void join (zmq::socket_t &server, zmq::socket_t &client, const std::string &wild)
{
    server.bind (wild);
    client.connect (server.get (sockopt::last_endpoint));
}

inline std::string take (zmq::socket_ref socket, recv_flags flags = recv_flags::none)
{
    zmq::message_t message;
    auto size = socket.recv (message, flags);
    return size ? message.to_string () + (message.more () ? "+" : "") : "(nothing)";
}

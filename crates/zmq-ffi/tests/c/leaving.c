/* zmq_unbind and zmq_disconnect: what becomes of the connections that are there, and of what is on its way. What differs is in
 * README.md: who disconnects may still receive what had arrived. */
#include "say.h"

#define MANY 100

static void endpoint_of (void *socket, char *endpoint)
{
    size_t size = 256;
    assert (zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0);
}

static void send_many (void *socket)
{
    for (int i = 0; i < MANY; i++)
        assert (zmq_send (socket, &i, sizeof i, 0) == sizeof i);
}

static void receive_many (void *socket)
{
    int right = 0, number;
    for (int i = 0; i < MANY; i++)
        right += zmq_recv (socket, &number, sizeof number, 0) == sizeof number && number == i;
    printf ("received %d\n", right);
    set (socket, ZMQ_RCVTIMEO, 50);
    show (socket, 0);
}

/* Sends until there is nobody to send to. */
static void until_alone (void *socket)
{
    int rc = 0;
    for (int try = 0; try < 1000 && rc >= 0; try++) {
        rc = zmq_send (socket, "", 0, ZMQ_DONTWAIT);
        if (rc >= 0)
            usleep (10000);
    }
    printf ("alone: %s\n", rc < 0 ? name_of (zmq_errno ()) : "not in 10 seconds");
}

static void unbinding (void *context, int server_type, int client_type, const char *wild)
{
    void *server = make (context, server_type), *client = make (context, client_type);
    char endpoint[256];
    set (client, ZMQ_LINGER, -1);
    set (server, ZMQ_LINGER, -1);
    join (server, client, wild);
    endpoint_of (server, endpoint);
    if (client_type != ZMQ_PULL) {
        SAY (zmq_send (client, "arrived", 7, 0));
        zmq_pollitem_t item = {server, 0, ZMQ_POLLIN, 0};
        SAY (zmq_poll (&item, 1, 10000));
    }
    if (server_type != ZMQ_PULL) {
        /* What was sent goes out. */
        SAY (zmq_send (server, "first", 5, 0));
        show (client, 0);
        send_many (server);
    }
    SAY (zmq_unbind (server, endpoint));
    if (client_type != ZMQ_PULL)
        show (server, 0);
    if (server_type != ZMQ_PULL) {
        receive_many (client);
        until_alone (server);
    }
    set (client, ZMQ_LINGER, 0);
    zmq_close (server);
    zmq_close (client);
}

/* Within the process connections stay. */
static void unbinding_inproc (void *context)
{
    void *server = make (context, ZMQ_DEALER), *client = make (context, ZMQ_DEALER);
    join (server, client, "inproc://stays");
    SAY (zmq_unbind (server, "inproc://stays"));
    SAY (zmq_send (client, "there", 5, 0));
    show (server, 0);
    SAY (zmq_send (server, "and back", 8, 0));
    show (client, 0);
    zmq_close (server);
    zmq_close (client);
}

/* Clients go to whoever is bound there next. */
static void handing_over (void *context, const char *wild)
{
    void *old = make (context, ZMQ_PULL), *new = make (context, ZMQ_PULL), *push = make (context, ZMQ_PUSH);
    char endpoint[256];
    set (push, ZMQ_RECONNECT_IVL, 10);
    join (old, push, wild);
    endpoint_of (old, endpoint);
    SAY (zmq_send (push, "to the old", 10, 0));
    show (old, 0);
    SAY (zmq_unbind (old, endpoint));
    printf ("bound again %d\n", bind_again (new, endpoint));
    /* What is sent to the connection that ends is lost, as with any that ends. */
    set (new, ZMQ_RCVTIMEO, 10);
    for (int try = 0; try < 1000; try++) {
        zmq_send (push, "to the new", 10, ZMQ_DONTWAIT);
        /* In libzmq the connection ends once the old one has looked. */
        zmq_recv (old, NULL, 0, ZMQ_DONTWAIT);
        if (zmq_recv (new, NULL, 0, 0) == 10) {
            puts ("the new one has it");
            break;
        }
    }
    show (old, ZMQ_DONTWAIT);
    zmq_close (old);
    zmq_close (new);
    zmq_close (push);
}

static void disconnecting (void *context, int server_type, int client_type, const char *wild)
{
    void *server = make (context, server_type), *client = make (context, client_type);
    char endpoint[256];
    set (client, ZMQ_LINGER, -1);
    join (server, client, wild);
    endpoint_of (server, endpoint);
    SAY (zmq_send (client, "first", 5, 0));
    show (server, 0);
    send_many (client);
    SAY (zmq_disconnect (client, endpoint));
    until_alone (client);
    receive_many (server);
    zmq_close (server);
    zmq_close (client);
}

int main (void)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    static const char *wild[] = {"tcp://127.0.0.1:*", "ipc://*", "inproc://gone"};
    void *context = zmq_ctx_new ();
    for (int i = 0; i < 2; i++) {
        unbinding (context, ZMQ_DEALER, ZMQ_DEALER, wild[i]);
        unbinding (context, ZMQ_PAIR, ZMQ_PAIR, wild[i]);
        unbinding (context, ZMQ_PULL, ZMQ_PUSH, wild[i]);
        unbinding (context, ZMQ_PUSH, ZMQ_PULL, wild[i]);
        handing_over (context, i ? "ipc://handed over" : wild[i]);
    }
    unbinding_inproc (context);
    for (int i = 0; i < 3; i++) {
        disconnecting (context, ZMQ_DEALER, ZMQ_DEALER, wild[i]);
        disconnecting (context, ZMQ_PULL, ZMQ_PUSH, i == 2 ? "inproc://gone too" : wild[i]);
    }
    return zmq_ctx_term (context);
}

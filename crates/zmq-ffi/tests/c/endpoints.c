/* Endpoints: which can never work, which are taken, and which can be left again. */
#include "say.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* What nobody can bind to or connect to, and what only one of both can. Not here is what differs (README.md): what libzmq
 * tries to connect to for ever, numbers of ports that it reads half, hosts by name in a bind. */
static const char *odd[] = {
    "", ":", "//", "://", "tcp", "tcp:", "tcp:/", "tcp://", "://127.0.0.1:1", "tcp:127.0.0.1:1", "ipc://", "inproc://",
    "foo://bar", "foo://", "TCP://127.0.0.1:1", " tcp://127.0.0.1:1", "http://127.0.0.1:1", "udp://127.0.0.1:1",
    "udp://239.0.0.1:1", "udp://x", "udp://", "tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://127.0.0.1:x", "tcp://127.0.0:x",
    "tcp://no where:1", "tcp://no/where:1", "tcp://*", "tcp://*:", "tcp://!:*", "tcp://!:1", "tcp://nothing0:1",
    "tcp://nothing0:*", "tcp://no.such.name.invalid:1", "tcp://192.0.2.1:*", "tcp://8.8.8.8:1", "tcp://;127.0.0.1:2",
    "tcp://127.0.0.1:*", "tcp://*:*", "tcp://0.0.0.0:*", "tcp://lo:*", "tcp://*:0", "tcp://127.0.0.1:!",
    "ipc:///no/such/directory/at/all", "ipc://.", "ipc://@", "ipc://@abstract of ours",
};

/* To connect to some of these is an error only here. */
static const char *bound_odd[] = {
    "tcp://:1", "tcp://127.0.0.1:65536", "tcp://127.0.0.1:0x10", "tcp://127.0.0.256:1", "tcp://1.2.3.4.5:1",
    "tcp://[::1:1", "tcp://::1]:1", "tcp://[]:1", "tcp://[::1]:1", "tcp://127.0.0.1:1;", "tcp://nothing0;127.0.0.1:2",
    "tcp://lo:0", "tcp://127.0.0.1:0",
};

/* The first that libzmq and the system have room for, and the first that is too long. */
static void long_paths (void *context)
{
    for (int length = 106; length < 111; length++) {
        char endpoint[200] = "ipc://";
        memset (endpoint + 6, 'a', length);
        void *a = make (context, ZMQ_PULL);
        printf ("path of %d\n", length);
        SAY (zmq_bind (a, endpoint));
        SAY (zmq_connect (a, endpoint));
        zmq_close (a);
        unlink (endpoint + 6);
        endpoint[6] = '@';
        a = make (context, ZMQ_PULL);
        SAY (zmq_bind (a, endpoint));
        SAY (zmq_connect (a, endpoint));
        zmq_close (a);
    }
    char endpoint[300] = "inproc://";
    memset (endpoint + 9, 'a', 200);
    void *a = make (context, ZMQ_PAIR), *b = make (context, ZMQ_PAIR);
    SAY (zmq_bind (a, endpoint));
    SAY (zmq_connect (b, endpoint));
    zmq_close (a);
    zmq_close (b);
}

static void last_endpoint (void *socket, char *endpoint, size_t size)
{
    assert (zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0);
    assert (strlen (endpoint) + 1 == size);
}

/* The port is another each time. */
static void say_last (void *socket)
{
    char endpoint[300];
    last_endpoint (socket, endpoint, sizeof endpoint);
    if (strncmp (endpoint, "tcp", 3) == 0 && strchr (endpoint + 6, ':'))
        strcpy (strrchr (endpoint, ':'), ":port");
    if (strncmp (endpoint, "ipc://", 6) == 0 && strstr (endpoint, "tmp"))
        strcpy (endpoint + 6, "made up");
    printf ("last \"%s\"\n", endpoint);
}

static void odd_ones (void *context)
{
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        void *a = make (context, ZMQ_PULL), *b = make (context, ZMQ_PULL);
        printf ("%s\n", odd[i]);
        SAY (zmq_unbind (a, odd[i]));
        SAY (zmq_disconnect (a, odd[i]));
        SAY (zmq_bind (a, odd[i]));
        say_last (a);
        SAY (zmq_connect (b, odd[i]));
        say_last (b);
        zmq_close (a);
        zmq_close (b);
    }
    for (size_t i = 0; i < sizeof bound_odd / sizeof bound_odd[0]; i++) {
        void *socket = make (context, ZMQ_PULL);
        printf ("%s\n", bound_odd[i]);
        SAY (zmq_unbind (socket, bound_odd[i]));
        SAY (zmq_bind (socket, bound_odd[i]));
        say_last (socket);
        zmq_close (socket);
    }
    for (int type = 0; type < 11; type++) {
        void *socket = make (context, type);
        char endpoint[32];
        snprintf (endpoint, sizeof endpoint, "inproc://a b/c:%d", type);
        SAY (zmq_bind (socket, "udp://127.0.0.1:5555"));
        SAY (zmq_connect (socket, "udp://127.0.0.1:5555"));
        SAY (zmq_bind (socket, endpoint));
        say_last (socket);
        SAY (zmq_bind (socket, "ipc://*"));
        say_last (socket);
        zmq_close (socket);
    }
}

static void taken (void *context)
{
    static const char *wild[] = {"tcp://127.0.0.1:*", "ipc://taken", "inproc://taken"};
    for (int i = 0; i < 3; i++) {
        void *a = make (context, ZMQ_DEALER), *b = make (context, ZMQ_DEALER);
        char endpoint[300];
        SAY (zmq_bind (a, wild[i]));
        last_endpoint (a, endpoint, sizeof endpoint);
        puts (wild[i]);
        /* A listener of libzmq's takes the path from another. */
        if (i != 1) {
            SAY (zmq_bind (a, endpoint));
            SAY (zmq_bind (b, endpoint));
        }
        say_last (b);
        SAY (zmq_connect (b, endpoint));
        SAY (zmq_unbind (b, endpoint));
        SAY (zmq_unbind (a, endpoint));
        say_last (a);
        SAY (zmq_unbind (a, endpoint));
        SAY (zmq_disconnect (a, endpoint));
        SAY (zmq_disconnect (b, endpoint));
        zmq_close (b);
        printf ("again %d\n", bind_again (a, endpoint));
        SAY (zmq_unbind (a, endpoint));
        zmq_close (a);
    }

    /* By somebody else. */
    int other = socket (AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    assert (bind (other, (struct sockaddr *) &address, sizeof address) == 0 && listen (other, 1) == 0);
    assert (getsockname (other, (struct sockaddr *) &address, &size) == 0);
    char endpoint[64];
    snprintf (endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", ntohs (address.sin_port));
    void *a = make (context, ZMQ_PULL);
    SAY (zmq_bind (a, endpoint));
    say_last (a);
    close (other);
    SAY (zmq_bind (a, endpoint));
    zmq_close (a);
}

static void leave (void *context)
{
    static const char *wild[] = {"tcp://*:*", "tcp://lo:*", "ipc://*", "inproc://left", "inproc://left twice"};
    for (int i = 0; i < 5; i++) {
        void *a = make (context, ZMQ_DEALER), *b = make (context, ZMQ_DEALER);
        char endpoint[300];
        puts (wild[i]);
        SAY (zmq_bind (a, wild[i]));
        last_endpoint (a, endpoint, sizeof endpoint);
        /* Twice to the same place. */
        SAY (zmq_connect (b, endpoint));
        SAY (zmq_connect (b, endpoint));
        SAY (zmq_send (b, "there", 5, 0));
        show (a, 0);
        if (i < 3)
            SAY (zmq_unbind (a, wild[i]));
        SAY (zmq_disconnect (b, "tcp://127.0.0.1:1"));
        SAY (zmq_disconnect (b, endpoint));
        SAY (zmq_disconnect (b, endpoint));
        set (b, ZMQ_SNDTIMEO, 50);
        SAY (zmq_send (b, "nobody", 6, 0));
        SAY (zmq_unbind (a, endpoint));
        SAY (zmq_unbind (a, endpoint));
        zmq_close (a);
        zmq_close (b);
    }
    /* Under the name that was given, or the one that it got. */
    static const char *names[] = {"*", "lo", "0.0.0.0", "127.0.0.1"};
    for (int i = 0; i < 8; i++) {
        void *a = make (context, ZMQ_DEALER);
        char endpoint[300], given[64];
        int rc = -1;
        for (int try = 0; try < 1000 && rc != 0; try++) {
            assert (zmq_bind (a, "tcp://127.0.0.1:*") == 0);
            last_endpoint (a, endpoint, sizeof endpoint);
            assert (zmq_unbind (a, endpoint) == 0);
            snprintf (given, sizeof given, "tcp://%s%s", names[i % 4], strrchr (endpoint, ':'));
            rc = zmq_bind (a, given);
            if (rc != 0)
                usleep (10000);
        }
        printf ("%s %d\n", names[i % 4], rc);
        say_last (a);
        last_endpoint (a, endpoint, sizeof endpoint);
        SAY (zmq_unbind (a, i < 4 ? given : endpoint));
        SAY (zmq_unbind (a, i < 4 ? given : endpoint));
        SAY (zmq_unbind (a, i < 4 ? endpoint : given));
        zmq_close (a);
    }
    /* Either call does for both. */
    for (int i = 0; i < 4; i++) {
        void *a = make (context, ZMQ_DEALER), *b = make (context, ZMQ_DEALER);
        char endpoint[300];
        puts (wild[i]);
        SAY (zmq_bind (a, wild[i]));
        last_endpoint (a, endpoint, sizeof endpoint);
        SAY (zmq_connect (b, endpoint));
        SAY (zmq_unbind (b, endpoint));
        SAY (zmq_unbind (b, endpoint));
        SAY (zmq_disconnect (a, endpoint));
        SAY (zmq_disconnect (a, endpoint));
        zmq_close (a);
        zmq_close (b);
    }
    /* A PAIR has one peer; who comes second is let alone. */
    static const char *pairs[] = {"inproc://pairs", "tcp://127.0.0.1:*"};
    for (int i = 0; i < 2; i++) {
        void *a = make (context, ZMQ_PAIR), *b = make (context, ZMQ_PAIR), *c = make (context, ZMQ_PAIR);
        join (a, b, pairs[i]);
        SAY (zmq_send (b, "first", 5, 0));
        show (a, 0);
        char endpoint[300];
        last_endpoint (a, endpoint, sizeof endpoint);
        SAY (zmq_connect (c, endpoint));
        set (c, ZMQ_RCVTIMEO, 50);
        show (c, 0);
        SAY (zmq_send (b, "still first", 11, 0));
        show (a, 0);
        zmq_close (a);
        zmq_close (b);
        zmq_close (c);
    }
    /* Who connects before somebody is there. */
    void *a = make (context, ZMQ_PAIR), *b = make (context, ZMQ_PAIR);
    SAY (zmq_connect (a, "inproc://later"));
    say_last (a);
    SAY (zmq_send (a, "early", 5, 0));
    SAY (zmq_disconnect (a, "inproc://later"));
    SAY (zmq_disconnect (a, "inproc://later"));
    SAY (zmq_connect (a, "tcp://127.0.0.1:1"));
    say_last (a);
    SAY (zmq_disconnect (a, "tcp://127.0.0.1:1"));
    SAY (zmq_disconnect (a, "tcp://127.0.0.1:1"));
    SAY (zmq_connect (a, "tcp://127.0.0.1:0;127.0.0.1:1"));
    SAY (zmq_disconnect (a, "tcp://127.0.0.1:0;127.0.0.1:1"));
    SAY (zmq_connect (a, "tcp://localhost:1"));
    SAY (zmq_disconnect (a, "tcp://localhost:1"));
    SAY (zmq_connect (a, "ipc://nobody here"));
    SAY (zmq_disconnect (a, "ipc://nobody here"));
    zmq_close (a);
    zmq_close (b);
}

int main (void)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    void *context = zmq_ctx_new ();
    odd_ones (context);
    long_paths (context);
    taken (context);
    leave (context);
    void *socket = make (context, ZMQ_PAIR);
    SAY (zmq_unbind (socket, NULL));
    SAY (zmq_disconnect (socket, NULL));
    SAY (zmq_unbind (NULL, "inproc://a"));
    SAY (zmq_disconnect (NULL, "inproc://a"));
    SAY (zmq_ctx_shutdown (context));
    SAY (zmq_bind (socket, "foo://bar"));
    SAY (zmq_connect (socket, "nothing"));
    SAY (zmq_close (socket));
    return zmq_ctx_term (context);
}

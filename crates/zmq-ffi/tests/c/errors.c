/* What goes wrong, and what errno says. */
#include "say.h"

/* Not ZMQ_EVENT_ALL: libzmq waits for somebody to receive that a monitor has stopped. */
static void monitors (void)
{
    static const char *places[] = {"", "nothing", "inproc://", "foo://bar", "tcp://127.0.0.1:5555", "ipc://*", "inproc://taken",
                                   "udp://127.0.0.1:5555", "inproc://seen", "inproc://seen elsewhere"};
    void *context = zmq_ctx_new (), *a = make (context, ZMQ_DEALER), *b = make (context, ZMQ_PULL);
    SAY (zmq_bind (b, "inproc://taken"));
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        puts (places[i]);
        SAY (zmq_socket_monitor (a, places[i], ZMQ_EVENT_LISTENING));
        SAY (zmq_socket_monitor (a, places[i], 0x10000));
        SAY (zmq_socket_monitor (a, places[i], -1));
    }
    SAY (zmq_socket_monitor (b, "inproc://seen elsewhere", ZMQ_EVENT_LISTENING));
    SAY (zmq_socket_monitor (b, "inproc://by nobody", 0));
    SAY (zmq_socket_monitor (a, NULL, -1));
    SAY (zmq_socket_monitor (a, NULL, ZMQ_EVENT_LISTENING));
    SAY (zmq_socket_monitor (a, NULL, ZMQ_EVENT_LISTENING));
    SAY (zmq_socket_monitor (NULL, "inproc://seen", ZMQ_EVENT_LISTENING));
    zmq_close (a);
    zmq_close (b);
    zmq_ctx_term (context);
}

int main (void)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    int major, minor, patch;
    zmq_version (&major, &minor, &patch);
    printf ("%d.%d\n", major, minor);
    for (int error = EFSM; error <= EMTHREAD; error++)
        puts (zmq_strerror (error));
    for (int error = 0; error < 134; error++)
        puts (zmq_strerror (error));

    SAY (zmq_ctx_term (NULL));
    SAY (zmq_ctx_shutdown (NULL));
    SAY (zmq_ctx_set (NULL, ZMQ_IO_THREADS, 1));
    SAY (zmq_socket (NULL, ZMQ_PUB) == NULL);
    SAY (zmq_close (NULL));
    SAY (zmq_send (NULL, "", 0, 0));
    SAY (zmq_recv (NULL, NULL, 0, 0));
    SAY (zmq_bind (NULL, "inproc://a"));
    SAY (zmq_connect (NULL, "inproc://a"));
    SAY (zmq_poll (NULL, 1, 0));
    SAY (zmq_poll (NULL, 0, 0));
    SAY (zmq_proxy (NULL, NULL, NULL));

    void *context = zmq_ctx_new ();
    SAY (zmq_ctx_get (context, ZMQ_IO_THREADS));
    SAY (zmq_ctx_get (context, ZMQ_MAX_SOCKETS));
    SAY (zmq_ctx_get (context, ZMQ_SOCKET_LIMIT));
    SAY (zmq_ctx_get (context, ZMQ_MAX_MSGSZ));
    SAY (zmq_ctx_get (context, ZMQ_MSG_T_SIZE));
    SAY (zmq_ctx_get (context, ZMQ_IPV6));
    SAY (zmq_ctx_get (context, ZMQ_BLOCKY));
    SAY (zmq_ctx_get (context, 4711));
    SAY (zmq_ctx_set (context, 4711, 1));
    SAY (zmq_ctx_set (context, ZMQ_IO_THREADS, -1));
    SAY (zmq_ctx_set (context, ZMQ_MAX_SOCKETS, 0));
    SAY (zmq_ctx_set (context, ZMQ_MAX_SOCKETS, 11));
    SAY (zmq_ctx_get (context, ZMQ_MAX_SOCKETS));
    SAY (zmq_socket (context, 99) == NULL);
    printf ("%s\n", name_of (zmq_errno ()));

    void *sockets[12];
    for (int type = 0; type < 12; type++) {
        void *socket = sockets[type] = zmq_socket (context, type);
        if (!socket) {
            printf ("type %d: %s\n", type, name_of (zmq_errno ()));
            continue;
        }
        printf ("type %d\n", type);
        set (socket, ZMQ_LINGER, 0);
        SAY (get (socket, ZMQ_TYPE));
        SAY (get (socket, ZMQ_RCVMORE));
        SAY (get (socket, ZMQ_THREAD_SAFE));
        SAY (get (socket, ZMQ_EVENTS));
        if (type != ZMQ_STREAM)
            SAY (zmq_send (socket, "a", 1, ZMQ_DONTWAIT));
        SAY (zmq_recv (socket, NULL, 0, ZMQ_DONTWAIT));
        SAY (zmq_bind (socket, "nothing"));
        SAY (zmq_bind (socket, "foo://bar"));
        SAY (zmq_bind (socket, "tcp://127.0.0.1"));
        SAY (zmq_connect (socket, "tcp://127.0.0.1:*"));
        SAY (zmq_connect (socket, ""));
        SAY (zmq_connect (socket, "://"));
        SAY (zmq_unbind (socket, "tcp://127.0.0.1:5555"));
        SAY (zmq_disconnect (socket, "tcp://127.0.0.1:5555"));
        SAY (zmq_disconnect (socket, "inproc://nobody"));
        SAY (zmq_setsockopt (socket, 4711, "", 0));
        SAY (zmq_setsockopt (socket, ZMQ_SNDHWM, "", 1));
        SAY (zmq_setsockopt (socket, ZMQ_TYPE, "", 0));
        SAY (zmq_setsockopt (socket, ZMQ_SUBSCRIBE, "a", 1));
        SAY (zmq_setsockopt (socket, ZMQ_UNSUBSCRIBE, "a", 1));
        SAY (zmq_socket_monitor (socket, "tcp://127.0.0.1:5555", ZMQ_EVENT_ALL));
    }
    SAY (zmq_bind (sockets[ZMQ_PULL], "inproc://taken"));
    SAY (zmq_bind (sockets[ZMQ_PUSH], "inproc://taken"));
    SAY (zmq_unbind (sockets[ZMQ_PULL], "inproc://taken"));
    SAY (zmq_bind (sockets[ZMQ_PUSH], "inproc://taken"));
    SAY (zmq_unbind (sockets[ZMQ_PULL], "inproc://taken"));

    char path[200] = "ipc:///";
    memset (path + 7, 'a', 150);
    SAY (zmq_bind (sockets[ZMQ_PULL], path));

    zmq_msg_t msg;
    memset (&msg, 0, sizeof msg);
    SAY (zmq_msg_close (&msg));
    zmq_msg_init (&msg);
    SAY (zmq_msg_send (&msg, NULL, 0));
    SAY (zmq_msg_recv (&msg, NULL, 0));
    SAY (zmq_msg_set (&msg, ZMQ_MORE, 1));
    SAY (zmq_msg_gets (&msg, "Socket-Type") == NULL);
    printf ("%s\n", name_of (zmq_errno ()));
    zmq_msg_close (&msg);

    SAY (zmq_ctx_shutdown (context));
    for (int type = 0; type < 12; type++) {
        if (!sockets[type])
            continue;
        /* A REQ may say that it is not its turn. */
        if (type != ZMQ_REQ)
            SAY (zmq_recv (sockets[type], NULL, 0, 0));
        SAY (zmq_bind (sockets[type], "inproc://a"));
        SAY (zmq_connect (sockets[type], "inproc://a"));
        SAY (zmq_close (sockets[type]));
    }
    SAY (zmq_socket (context, ZMQ_PUB) == NULL);
    printf ("%s\n", name_of (zmq_errno ()));
    SAY (zmq_ctx_term (context));
    monitors ();
    return 0;
}

/* Frames in every form that C has for them: what is left in a message, a buffer or a vector, whether the call fails or not. */
#include "say.h"

static int freed;

static void count (void *data, void *hint)
{
    (void) data;
    (void) hint;
    __atomic_add_fetch (&freed, 1, __ATOMIC_SEQ_CST);
}

/* Longer than what any library keeps in the message itself. */
static char large[500] = "large";

static void about (zmq_msg_t *msg)
{
    printf ("%zu bytes, more %d %d, shared %d\n", zmq_msg_size (msg), zmq_msg_more (msg), zmq_msg_get (msg, ZMQ_MORE),
            zmq_msg_get (msg, ZMQ_SHARED));
}

static void on_their_own (void)
{
    zmq_msg_t a, b, c;
    zmq_msg_init (&a);
    about (&a);
    SAY (zmq_msg_get (&a, 0));
    SAY (zmq_msg_get (&a, 4711));
    SAY (zmq_msg_set (&a, ZMQ_SHARED, 1));
    SAY (zmq_msg_set (&a, 4711, 1));
    SAY (zmq_msg_gets (&a, "") == NULL);
    SAY (zmq_msg_gets (&a, "Peer-Address") == NULL);
    SAY (zmq_msg_close (&a));
    SAY (zmq_msg_close (&a));
    zmq_msg_init (&b);
    SAY (zmq_msg_copy (&b, &a));
    SAY (zmq_msg_move (&b, &a));
    SAY (zmq_msg_close (&b));

    SAY (zmq_msg_init_size (&a, (size_t) -1));
    SAY (zmq_msg_init_size (&a, (size_t) -1 / 2));
    static const size_t sizes[] = {0, 10, 33, 34, 48, 49, 500};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        zmq_msg_init_size (&a, sizes[i]);
        /* What fits into the message itself is where the libraries differ. */
        if (sizes[i] <= 33 || sizes[i] > 48) {
            about (&a);
            zmq_msg_init (&b);
            SAY (zmq_msg_copy (&b, &a));
            about (&a);
            about (&b);
            zmq_msg_init_size (&c, 3);
            SAY (zmq_msg_move (&c, &b));
            about (&b);
            about (&c);
            /* A message that was moved is empty, and good for anything. */
            SAY (zmq_msg_copy (&b, &c));
            about (&b);
            SAY (zmq_msg_copy (&b, &c));
            about (&b);
            SAY (zmq_msg_close (&c));
            SAY (zmq_msg_close (&b));
        }
        SAY (zmq_msg_close (&a));
    }

    SAY (zmq_msg_init_data (&a, large, sizeof large, NULL, NULL));
    about (&a);
    zmq_msg_init (&b);
    SAY (zmq_msg_copy (&b, &a));
    about (&a);
    about (&b);
    SAY (zmq_msg_close (&a));
    SAY (zmq_msg_close (&b));
    for (int copies = 0; copies < 3; copies++) {
        SAY (zmq_msg_init_data (&a, large, sizeof large, count, NULL));
        about (&a);
        zmq_msg_t others[2];
        for (int i = 0; i < copies; i++) {
            zmq_msg_init (&others[i]);
            zmq_msg_copy (&others[i], &a);
        }
        about (&a);
        SAY (zmq_msg_close (&a));
        for (int i = 0; i < copies; i++) {
            printf ("freed %d\n", freed);
            zmq_msg_close (&others[i]);
        }
        printf ("freed %d\n", freed);
    }
    /* What is overwritten is given back too. */
    zmq_msg_init_data (&a, large, sizeof large, count, NULL);
    zmq_msg_init (&b);
    zmq_msg_move (&a, &b);
    printf ("freed %d\n", freed);
    zmq_msg_close (&a);
    zmq_msg_init_data (&a, large, sizeof large, count, NULL);
    zmq_msg_copy (&a, &b);
    printf ("freed %d\n", freed);
    zmq_msg_close (&a);
    zmq_msg_init_data (&a, NULL, 0, count, NULL);
    about (&a);
    zmq_msg_close (&a);
    printf ("freed %d\n", freed);
    zmq_msg_close (&b);
}

/* What a message is after a call that did not receive, or did not send. */
static void failing (void *context)
{
    for (int type = 0; type < 12; type++) {
        void *socket = make (context, type);
        printf ("type %d\n", type);
        set (socket, ZMQ_RCVTIMEO, 10);
        set (socket, ZMQ_SNDTIMEO, 10);
        for (int i = 0; i < 2; i++) {
            zmq_msg_t msg;
            freed = 0;
            zmq_msg_init_data (&msg, large, sizeof large, count, NULL);
            SAY (zmq_msg_recv (&msg, socket, i ? ZMQ_DONTWAIT : 0));
            /* With libzmq some types leave it as it is; there is no reason to. */
            if (type != ZMQ_XPUB && type != ZMQ_STREAM)
                printf ("%zu bytes, freed %d\n", zmq_msg_size (&msg), freed);
            zmq_msg_close (&msg);
            char buffer[4] = "abc";
            SAY (zmq_recv (socket, buffer, sizeof buffer, i ? ZMQ_DONTWAIT : 0));
            printf ("%.4s\n", buffer);
            struct iovec parts[1] = {{buffer, 4}};
            size_t size = 1;
            SAY (zmq_recviov (socket, parts, &size, i ? ZMQ_DONTWAIT : 0));
            printf ("%zu %d\n", size, parts[0].iov_base == buffer);

            if (type == ZMQ_ROUTER || type == ZMQ_STREAM || type == ZMQ_PUB || type == ZMQ_XPUB || type == ZMQ_XSUB)
                continue;
            freed = 0;
            zmq_msg_init_data (&msg, large, sizeof large, count, NULL);
            SAY (zmq_msg_send (&msg, socket, i ? ZMQ_DONTWAIT : 0));
            printf ("%zu bytes, freed %d\n", zmq_msg_size (&msg), freed);
            SAY (zmq_sendmsg (socket, &msg, i ? ZMQ_DONTWAIT : 0));
            printf ("%zu bytes, freed %d\n", zmq_msg_size (&msg), freed);
            zmq_msg_close (&msg);
            printf ("freed %d\n", freed);
            SAY (zmq_send_const (socket, "constant", 8, i ? ZMQ_DONTWAIT : 0));
            parts[0].iov_len = 3;
            SAY (zmq_sendiov (socket, parts, 1, i ? ZMQ_DONTWAIT : 0));
        }
        zmq_close (socket);
    }
}

static void vectors (void *push, void *pull)
{
    struct iovec parts[3] = {{"one", 3}, {"", 0}, {"three", 5}}, got[5];
    size_t count;
    SAY (zmq_sendiov (NULL, parts, 1, 0));
    SAY (zmq_sendiov (push, NULL, 1, 0));
    SAY (zmq_sendiov (push, parts, 0, 0));
    SAY (zmq_sendiov (push, parts, 1, 0));
    show (pull, 0);
    /* Without the flag each part is a message. */
    SAY (zmq_sendiov (push, parts, 3, 0));
    for (int i = 0; i < 3; i++)
        show (pull, 0);
    SAY (zmq_sendiov (push, parts, 3, ZMQ_SNDMORE));
    show (pull, 0);
    SAY (zmq_sendiov (push, parts, 1, ZMQ_SNDMORE));
    show (pull, 0);
    /* The last part ends a message that was begun otherwise. */
    SAY (zmq_send (push, "zero", 4, ZMQ_SNDMORE));
    SAY (zmq_sendiov (push, parts, 2, ZMQ_SNDMORE | ZMQ_DONTWAIT));
    show (pull, 0);

    count = 0;
    SAY (zmq_recviov (pull, got, &count, 0));
    SAY (zmq_recviov (pull, got, NULL, 0));
    count = 5;
    SAY (zmq_recviov (pull, NULL, &count, 0));
    printf ("%zu\n", count);
    SAY (zmq_recviov (NULL, got, &count, 0));
    printf ("%zu\n", count);
    /* What does not fit is received by the next call. */
    SAY (zmq_sendiov (push, parts, 3, ZMQ_SNDMORE));
    SAY (zmq_send (push, "next", 4, 0));
    for (int i = 0; i < 3; i++) {
        count = 2;
        SAY (zmq_recviov (pull, got, &count, 0));
        printf ("%zu, more %d\n", count, get (pull, ZMQ_RCVMORE));
        for (size_t j = 0; j < count; j++) {
            printf ("%zu %.*s\n", got[j].iov_len, (int) got[j].iov_len, (char *) got[j].iov_base);
            free (got[j].iov_base);
        }
    }
}

static void over (void *context, const char *wild)
{
    void *push = make (context, ZMQ_PUSH), *pull = make (context, ZMQ_PULL);
    join (pull, push, wild);
    puts (wild);
    SAY (zmq_send (push, NULL, 0, 0));
    show (pull, 0);
    SAY (zmq_send_const (push, NULL, 0, 0));
    show (pull, 0);
    SAY (zmq_send_const (push, large, sizeof large, ZMQ_SNDMORE));
    SAY (zmq_send_const (push, "short", 5, 0));
    show (pull, 0);
    /* What does not fit is cut off, but not its size; and what is not overwritten stays. */
    char buffer[8] = "1234567";
    for (int i = 0; i < 4; i++)
        SAY (zmq_send (push, "abcd", 4, 0));
    SAY (zmq_recv (pull, NULL, 0, 0));
    SAY (zmq_recv (pull, buffer, 0, 0));
    SAY (zmq_recv (pull, buffer, 2, 0));
    puts (buffer);
    SAY (zmq_recv (pull, buffer, 7, 0));
    puts (buffer);
    vectors (push, pull);

    zmq_msg_t msg, other;
    zmq_msg_init_size (&msg, 3);
    memcpy (zmq_msg_data (&msg), "one", 3);
    SAY (zmq_sendmsg (push, &msg, ZMQ_SNDMORE));
    about (&msg);
    SAY (zmq_msg_send (&msg, push, 0));
    SAY (zmq_recvmsg (pull, &msg, 0));
    about (&msg);
    SAY (zmq_msg_gets (&msg, "Socket-Type") != NULL);
    /* A copy knows as much, and so does what it is moved to; what it was moved from knows nothing. */
    zmq_msg_init (&other);
    SAY (zmq_msg_copy (&other, &msg));
    about (&other);
    SAY (zmq_msg_gets (&other, "Socket-Type") != NULL);
    zmq_msg_close (&other);
    zmq_msg_init (&other);
    SAY (zmq_msg_move (&other, &msg));
    about (&other);
    SAY (zmq_msg_gets (&other, "Socket-Type") != NULL);
    about (&msg);
    SAY (zmq_msg_gets (&msg, "Socket-Type") != NULL);
    /* What was received goes on without its flag. */
    SAY (zmq_recvmsg (pull, &msg, 0));
    about (&msg);
    SAY (zmq_msg_send (&other, push, 0));
    SAY (zmq_msg_recv (&msg, pull, 0));
    about (&msg);
    zmq_msg_close (&msg);
    zmq_msg_close (&other);
    zmq_close (push);
    zmq_close (pull);
}

static int holds (zmq_msg_t *msg, const char *body, size_t length)
{
    return zmq_msg_size (msg) == length && memcmp (zmq_msg_data (msg), body, length) == 0;
}

/* Bodies of all kinds, one after the other in the same message; each goes back, with a copy of it. */
static void sizes (void *context)
{
    static const size_t lengths[] = {0, 48, 49, 70, 60, 71, 50, 4096, 49, 5000, 70, 33, 34, 64, 64, 48};
    void *ping = zmq_socket (context, ZMQ_PAIR), *pong = zmq_socket (context, ZMQ_PAIR);
    char endpoint[100], body[5000];
    size_t size = sizeof endpoint;
    zmq_bind (pong, "tcp://127.0.0.1:*");
    zmq_getsockopt (pong, ZMQ_LAST_ENDPOINT, endpoint, &size);
    zmq_connect (ping, endpoint);

    zmq_msg_t msg, copy;
    zmq_msg_init (&msg);
    zmq_msg_init (&copy);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        memset (body, 'a' + (int) i, sizeof body);
        zmq_send (ping, body, lengths[i], 0);
        zmq_msg_recv (&msg, pong, 0);
        int same = holds (&msg, body, lengths[i]);
        zmq_msg_copy (&copy, &msg);
        same += holds (&copy, body, lengths[i]);
        if (i % 2)
            zmq_msg_close (&msg), zmq_msg_init (&msg);
        zmq_msg_send (&copy, pong, 0);
        zmq_msg_recv (&copy, ping, 0);
        same += holds (&copy, body, lengths[i]);
        printf ("%zu bytes: the same %d times\n", lengths[i], same);
    }
    /* Into memory of the program's choice. */
    zmq_msg_close (&msg);
    zmq_msg_init_size (&msg, 100000);
    zmq_send (ping, body, 60, 0);
    zmq_msg_recv (&msg, pong, 0);
    about (&msg);
    zmq_msg_close (&msg);
    zmq_msg_close (&copy);
    zmq_close (ping);
    zmq_close (pong);
}

/* Who sent the next frame, as the message knows it in which the others were received before. */
static void sender (void *socket, zmq_msg_t *msg)
{
    if (zmq_msg_recv (msg, socket, 0) < 0)
        puts (zmq_strerror (zmq_errno ()));
    const char *type = zmq_msg_gets (msg, "Socket-Type");
    printf ("%.*s from %s\n", (int) zmq_msg_size (msg), (char *) zmq_msg_data (msg), type ? type : "nobody");
}

/* What comes of a text: so many frames. */
static void said (void *from, const char *text, void *to, int frames, zmq_msg_t *msg)
{
    zmq_send (from, text, strlen (text), 0);
    for (int i = 0; i < frames; i++)
        sender (to, msg);
}

static void senders (void *context)
{
    void *router = zmq_socket (context, ZMQ_ROUTER), *near = zmq_socket (context, ZMQ_DEALER);
    void *dealer = zmq_socket (context, ZMQ_DEALER), *req = zmq_socket (context, ZMQ_REQ);
    char endpoint[100];
    size_t size = sizeof endpoint;
    int wait = 100;
    zmq_setsockopt (dealer, ZMQ_ROUTING_ID, "dealer", 6);
    zmq_setsockopt (req, ZMQ_ROUTING_ID, "req", 3);
    zmq_setsockopt (near, ZMQ_ROUTING_ID, "near", 4);
    zmq_bind (router, "inproc://senders");
    zmq_bind (router, "tcp://127.0.0.1:*");
    zmq_getsockopt (router, ZMQ_LAST_ENDPOINT, endpoint, &size);
    zmq_connect (dealer, endpoint);
    zmq_connect (req, endpoint);
    zmq_connect (near, "inproc://senders");

    zmq_msg_t msg;
    zmq_msg_init (&msg);
    said (dealer, "one", router, 2, &msg);
    said (dealer, "two", router, 2, &msg);
    said (req, "three", router, 3, &msg);
    said (near, "four", router, 2, &msg);
    said (dealer, "five", router, 2, &msg);
    zmq_setsockopt (router, ZMQ_RCVTIMEO, &wait, sizeof wait);
    sender (router, &msg);
    zmq_msg_close (&msg);
    zmq_close (router);
    zmq_close (dealer);
    zmq_close (req);
    zmq_close (near);
}

int main (void)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    void *context = zmq_ctx_new ();
    on_their_own ();
    failing (context);
    over (context, "inproc://parts");
    over (context, "tcp://127.0.0.1:*");
    over (context, "ipc://*");
    sizes (context);
    senders (context);
    return zmq_ctx_term (context);
}

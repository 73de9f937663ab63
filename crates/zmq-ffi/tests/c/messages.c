/* Messages: their bodies, who owns them, and when they are given back. */
#include "say.h"

static int freed;

static void count (void *data, void *hint)
{
    __atomic_add_fetch (&freed, 1, __ATOMIC_SEQ_CST);
    assert (hint == (void *) 0x1234);
    free (data);
}

static void await_freed (int expected)
{
    for (int i = 0; i < 1000 && __atomic_load_n (&freed, __ATOMIC_SEQ_CST) != expected; i++)
        usleep (10000);
    printf ("freed %d\n", freed);
}

static void fill (zmq_msg_t *msg, int seed)
{
    unsigned char *data = zmq_msg_data (msg);
    for (size_t i = 0; i < zmq_msg_size (msg); i++)
        data[i] = (unsigned char) (i * 7 + seed);
}

static int holds (zmq_msg_t *msg, int seed)
{
    unsigned char *data = zmq_msg_data (msg);
    for (size_t i = 0; i < zmq_msg_size (msg); i++)
        if (data[i] != (unsigned char) (i * 7 + seed))
            return 0;
    return 1;
}

int main (void)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    static const size_t sizes[] = {0, 1, 29, 30, 33, 34, 48, 49, 64, 70, 71, 255, 256, 4096, 4097, 100000, 3000000};
    void *context = zmq_ctx_new ();
    printf ("%zu\n", sizeof (zmq_msg_t));
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t size = sizes[i];
        zmq_msg_t a, b, c;
        zmq_msg_init_size (&a, size);
        fill (&a, 1);
        zmq_msg_init (&b);
        SAY (zmq_msg_copy (&b, &a));
        zmq_msg_init (&c);
        SAY (zmq_msg_move (&c, &b));
        printf ("%zu %zu %zu %d %d\n", zmq_msg_size (&a), zmq_msg_size (&b), zmq_msg_size (&c), holds (&a, 1),
                holds (&c, 1));
        /* Messages may be moved as bytes. */
        zmq_msg_t *elsewhere = malloc (sizeof (zmq_msg_t));
        memcpy (elsewhere, &c, sizeof c);
        memset (&c, 0, sizeof c);
        printf ("%d\n", holds (elsewhere, 1));
        SAY (zmq_msg_close (elsewhere));
        free (elsewhere);
        SAY (zmq_msg_close (&a));
        SAY (zmq_msg_close (&b));

        char *data = malloc (size + 1);
        SAY (zmq_msg_init_data (&a, data, size, count, (void *) 0x1234));
        printf ("%d\n", zmq_msg_data (&a) == data);
        SAY (zmq_msg_close (&a));
        printf ("freed %d\n", freed);
    }
    freed = 0;

    /* Over each transport: from every kind of message, into the same. */
    static const char *endpoints[] = {"inproc://messages", "tcp://127.0.0.1:*", "ipc://*"};
    int expected = 0;
    for (int t = 0; t < 3; t++) {
        void *push = make (context, ZMQ_PUSH), *pull = make (context, ZMQ_PULL);
        join (pull, push, endpoints[t]);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            size_t size = sizes[i];
            zmq_msg_t out, in, copy;
            zmq_msg_init_size (&out, size);
            fill (&out, 2);
            SAY (zmq_msg_send (&out, push, ZMQ_SNDMORE));
            printf ("%zu\n", zmq_msg_size (&out));
            char *data = malloc (size + 1);
            zmq_msg_init_data (&out, data, size, count, (void *) 0x1234);
            fill (&out, 3);
            zmq_msg_init (&copy);
            zmq_msg_copy (&copy, &out);
            SAY (zmq_msg_send (&out, push, 0));
            printf ("%d\n", holds (&copy, 3));
            zmq_msg_close (&copy);
            expected++;

            zmq_msg_init (&in);
            SAY (zmq_msg_recv (&in, pull, 0));
            printf ("%d %d %d\n", holds (&in, 2), zmq_msg_more (&in), zmq_msg_get (&in, ZMQ_MORE));
            SAY (zmq_msg_recv (&in, pull, 0));
            printf ("%d %d %d\n", holds (&in, 3), zmq_msg_more (&in), zmq_msg_get (&in, ZMQ_MORE));
            /* What was received may be written, and sent on. */
            fill (&in, 4);
            SAY (zmq_msg_send (&in, push, 0));
            SAY (zmq_msg_recv (&in, pull, 0));
            printf ("%d\n", holds (&in, 4));
            zmq_msg_close (&in);
        }
        /* Constant memory. */
        static const char constant[] = "This is constant, and longer than what would be copied in place anyway, by far.";
        SAY (zmq_send_const (push, constant, sizeof constant, 0));
        char buffer[10];
        SAY (zmq_recv (pull, buffer, sizeof buffer, 0));
        printf ("%.10s\n", buffer);
        await_freed (expected);

        struct iovec parts[3] = {{"one", 3}, {"", 0}, {"three", 5}}, got[5];
        SAY (zmq_sendiov (push, parts, 3, ZMQ_SNDMORE));
        size_t count = 5;
        SAY (zmq_recviov (pull, got, &count, 0));
        printf ("%zu\n", count);
        for (size_t i = 0; i < count; i++) {
            printf ("%.*s\n", (int) got[i].iov_len, (char *) got[i].iov_base);
            free (got[i].iov_base);
        }
        zmq_close (push);
        zmq_close (pull);
    }

    /* A message that is not sent stays as it is. */
    void *push = make (context, ZMQ_PUSH);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        zmq_msg_t msg;
        zmq_msg_init_size (&msg, sizes[i]);
        void *data = zmq_msg_data (&msg);
        fill (&msg, 5);
        SAY (zmq_msg_send (&msg, push, ZMQ_DONTWAIT));
        printf ("%d %d\n", zmq_msg_data (&msg) == data, holds (&msg, 5));
        zmq_msg_close (&msg);
    }
    zmq_close (push);
    return zmq_ctx_term (context);
}

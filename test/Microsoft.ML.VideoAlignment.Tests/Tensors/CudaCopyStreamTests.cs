using System.Runtime.InteropServices;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// Copies on a stream of their own, by a runtime of the test whose streams do nothing until they are asked to: what is out of order reads numbers that are not
/// there.
/// </summary>
public class CudaCopyStreamTests
{
    [Test]
    public void AWeightIsReadAfterItsCopyAndItsMemoryIsWrittenAfterItsLastUse()
    {
        using DisposeScope scope = NewDisposeScope();
        var library = new LateRuntime();
        using var transfer = new CudaTransfer(CudaCopyStream.TryCreate(library.Find, device: 0)!, CPU);
        Tensor weight = arange(6, dtype: ScalarType.Float32).reshape(2, 3);
        Tensor waiting = transfer.Store(weight);
        library.Compute("before");
        using IWeightCopy copy = transfer.Begin(waiting, [2, 3], [3, 1]);
        copy.Weight.fill_(-1);
        library.Compute("between");
        copy.Wait();
        library.Compute("after");
        library.Run(copiesFirst: true);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(library.Order, Is.EqualTo(new[] { "before", "copy", "between", "after" }).Or.EqualTo(new[] { "before", "between", "copy", "after" }));
            Assert.That(copy.Weight.equal(weight).all().ToBoolean());
        }

        GC.KeepAlive(library);
    }

    /// <summary>A copy that nobody wanted is waited for all the same, since its memory goes to others.</summary>
    [Test]
    public void ACopyInVainEndsBeforeItsMemoryIsUsed()
    {
        using DisposeScope scope = NewDisposeScope();
        var library = new LateRuntime();
        using var transfer = new CudaTransfer(CudaCopyStream.TryCreate(library.Find, device: 0)!, CPU);
        Tensor waiting = transfer.Store(ones(3));
        transfer.Begin(waiting, [3], [1]).Dispose();
        library.Compute("use of the memory");
        library.Run(copiesFirst: false, executes: false);
        Assert.That(library.Order, Is.EqualTo(new[] { "copy", "use of the memory" }));
        GC.KeepAlive(library);
    }

    [Test]
    public void EventsAreUsedAgainAndAllIsGivenBack()
    {
        using DisposeScope scope = NewDisposeScope();
        var library = new LateRuntime();
        var transfer = new CudaTransfer(CudaCopyStream.TryCreate(library.Find, device: 0)!, CPU);
        Tensor waiting = transfer.Store(ones(3));
        for (int i = 0; i < 5; i++)
        {
            using IWeightCopy first = transfer.Begin(waiting, [3], [1]), second = transfer.Begin(waiting, [3], [1]);
            first.Wait();
            first.Wait();
            second.Wait();
        }

        Assert.That(library.Events, Is.EqualTo(2), "as many as there are copies at a time");
        transfer.Dispose();
        transfer.Dispose();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(library.Events, Is.Zero);
            Assert.That(library.Streams, Is.Zero);
            Assert.That(library.Order, Has.Count.EqualTo(10), "copies under way are waited for");
        }

        GC.KeepAlive(library);
    }

    [TestCase("cudaGetDevice")]
    [TestCase("cudaStreamCreateWithFlags")]
    public void WithoutAStreamThereIsNone(string failing)
    {
        var library = new LateRuntime { Failing = failing };
        using (Assert.EnterMultipleScope())
        {
            Assert.That(CudaCopyStream.TryCreate(library.Find, device: 0), Is.Null);
            Assert.That(library.ErrorsTaken, Is.EqualTo(1), "else libtorch takes it for one of its own");
            Assert.That(CudaCopyStream.TryCreate(name => name == failing ? 0 : library.Find(name), device: 0), Is.Null);
            Assert.That(CudaCopyStream.TryCreate(new LateRuntime().Find, device: 1), Is.Null, "the thread's device is 0");
        }
    }

    [TestCase("cudaEventCreateWithFlags")]
    [TestCase("cudaEventRecord")]
    [TestCase("cudaStreamWaitEvent")]
    [TestCase("cudaMemcpyAsync")]
    public void ARefusalIsAnErrorThatNamesTheFunction(string failing)
    {
        using DisposeScope scope = NewDisposeScope();
        var library = new LateRuntime { Failing = failing };
        using var transfer = new CudaTransfer(CudaCopyStream.TryCreate(library.Find, device: 0)!, CPU);
        Tensor waiting = transfer.Store(ones(3));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => transfer.Begin(waiting, [3], [1]), Throws.InvalidOperationException.With.Message.Contains($"{failing} with error 100")
                .And.Message.Contains("Memory.StreamWeights"));
            Assert.That(library.ErrorsTaken, Is.EqualTo(1));
        }
    }

    /// <summary>Two streams of work that is queued. An event that is recorded again is another one to those that waited for it before.</summary>
    private sealed class LateRuntime
    {
        private const int Refused = 100;
        private const nint CopyStream = 77;

        private readonly Dictionary<string, Delegate> _exports;
        private readonly Dictionary<nint, List<(string? Name, Action Work, Func<bool> Ready)>> _queues = new() { [0] = [], [CopyStream] = [] };
        private readonly Dictionary<nint, Mark> _events = [];
        private nint _nextEvent = 1000;

        public LateRuntime() => _exports = new(StringComparer.Ordinal)
        {
            ["cudaGetDevice"] = (ReadNumber)((out int value) => Answer("cudaGetDevice", value = 0)),
            ["cudaGetLastError"] = (Function)(() => ++ErrorsTaken),
            ["cudaStreamCreateWithFlags"] = (Make)MakeStream,
            ["cudaStreamDestroy"] = (Take)(_ => --Streams),
            ["cudaStreamSynchronize"] = (Take)Synchronize,
            ["cudaStreamWaitEvent"] = (WaitEvent)Wait,
            ["cudaEventCreateWithFlags"] = (Make)MakeEvent,
            ["cudaEventDestroy"] = (Take)(mark => _events.Remove(mark) ? 0 : Refused),
            ["cudaEventRecord"] = (RecordEvent)Record,
            ["cudaMemcpyAsync"] = (CopyBytes)Copy,
        };

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate int Function();

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate int ReadNumber(out int value);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate int Make(out nint made, uint flags);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate int Take(nint handle);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate int WaitEvent(nint stream, nint mark, uint flags);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate int RecordEvent(nint mark, nint stream);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate int CopyBytes(nint destination, nint source, nuint bytes, int kind, nint stream);

        public string? Failing { get; init; }

        public int ErrorsTaken { get; private set; }

        public int Streams { get; private set; }

        public int Events => _events.Count;

        public List<string> Order { get; } = [];

        public nint Find(string name) => _exports.TryGetValue(name, out Delegate? function) ? Marshal.GetFunctionPointerForDelegate(function) : 0;

        /// <summary>Queues a kernel of the default stream.</summary>
        public void Compute(string name) => _queues[0].Add((name, static () => { }, static () => true));

        /// <summary>Does all that is queued.</summary>
        /// <param name="copiesFirst">Which stream is ahead where both may go on.</param>
        /// <param name="executes">False: numbers stay as they are, as their memory may be gone.</param>
        public void Run(bool copiesFirst, bool executes = true)
        {
            nint[] streams = copiesFirst ? [CopyStream, 0] : [0, CopyStream];
            while (streams.Select(stream => _queues[stream]).FirstOrDefault(queue => queue.Count > 0 && queue[0].Ready()) is { } next)
            {
                (string? name, Action work, _) = next[0];
                next.RemoveAt(0);
                if (executes || name is null)
                {
                    work();
                }

                if (name is not null)
                {
                    Order.Add(name);
                }
            }

            Assert.That(_queues.Values, Has.All.Empty, "the streams wait for each other");
        }

        private int Answer(string name, int value = 0) => name == Failing ? Refused : value;

        private int MakeStream(out nint made, uint flags)
        {
            Assert.That(flags, Is.EqualTo(1), "beside the default stream");
            made = CopyStream;
            Streams += Failing is "cudaStreamCreateWithFlags" ? 0 : 1;
            return Answer("cudaStreamCreateWithFlags");
        }

        private int Synchronize(nint stream)
        {
            Run(copiesFirst: true, executes: false);
            return 0;
        }

        private int MakeEvent(out nint made, uint flags)
        {
            made = _nextEvent++;
            if (Answer("cudaEventCreateWithFlags") is var error && error == 0)
            {
                _events[made] = new Mark { IsPassed = true };
            }

            return error;
        }

        private int Record(nint mark, nint stream)
        {
            var recorded = new Mark();
            _events[mark] = recorded;
            _queues[stream].Add((null, () => recorded.IsPassed = true, static () => true));
            return Answer("cudaEventRecord");
        }

        private int Wait(nint stream, nint mark, uint flags)
        {
            Mark awaited = _events[mark];
            _queues[stream].Add((null, static () => { }, () => awaited.IsPassed));
            return Answer("cudaStreamWaitEvent");
        }

        private int Copy(nint destination, nint source, nuint bytes, int kind, nint stream)
        {
            Assert.That(stream, Is.EqualTo(CopyStream));
            _queues[stream].Add(("copy", Transfer, static () => true));
            return Answer("cudaMemcpyAsync");

            void Transfer()
            {
                byte[] content = new byte[(int)bytes];
                Marshal.Copy(source, content, 0, content.Length);
                Marshal.Copy(content, 0, destination, content.Length);
            }
        }

        private sealed class Mark
        {
            public bool IsPassed { get; set; }
        }
    }
}

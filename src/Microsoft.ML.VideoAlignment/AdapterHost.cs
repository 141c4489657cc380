using System.Runtime.CompilerServices;
using Microsoft.ML.VideoAlignment.Lora;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// Who fills the adapter slots of a model. A network has one set of slots, but several alignments may share it (two fits, or an alignment beside its own
/// base): each takes its turn, and the slots keep what they hold until another asks. One at a time, whatever the thread. The model is moved to another device
/// in a turn and at no other time, so none of its networks is moved under a running forward or backward pass.
/// </summary>
internal sealed class AdapterHost
{
    private static readonly ConditionalWeakTable<VideoDiffusionModel, AdapterHost> s_ofModel = [];

    private readonly Lock _lock = new();
    private readonly VideoDiffusionModel _model;
    private byte[]? _content;
    private LoraAdapters? _attached;
    private bool _lent;

    private AdapterHost(VideoDiffusionModel model) => _model = model;

    public static AdapterHost For(VideoDiffusionModel model) => s_ofModel.GetValue(model, static model => new AdapterHost(model));

    /// <summary>Whether the current thread has the model to itself.</summary>
    public bool IsHeldByCurrentThread => _lock.IsHeldByCurrentThread;

    /// <summary>Brings the model to a device, once whatever is under way has ended.</summary>
    public void MoveTo(Device device)
    {
        lock (_lock)
        {
            Attach(device);
        }
    }

    /// <summary>Runs <paramref name="work"/> while these adapters act and no others; null: while none does.</summary>
    /// <param name="device">Where the model has to be; null: wherever it is.</param>
    /// <param name="content">Content of an <see cref="AdapterFile"/>; null: the base model.</param>
    /// <param name="work">Is given the attached adapters.</param>
    /// <exception cref="InvalidOperationException">A run on this very thread has the slots, and its callback asks for them.</exception>
    public T RunAttached<T>(Device? device, byte[]? content, Func<LoraAdapters?, T> work)
    {
        lock (_lock)
        {
            Attach(device);
            if (content is not null && !ReferenceEquals(content, _content))
            {
                Empty();
                _attached = AdapterFile.Attach(_model.Denoiser, content);
                _content = content;
            }

            // What is not wanted now is switched off and stays: a table with both videos asks for the one and the other in turn, row by row.
            if (_attached is not null)
            {
                _attached.Enabled = content is not null;
            }

            return work(content is null ? null : _attached);
        }
    }

    /// <summary>Runs <paramref name="work"/> while the slots are empty, for it to fill.</summary>
    /// <param name="work">Leaves them empty.</param>
    /// <param name="device">Where the model has to be; null: wherever it is.</param>
    /// <exception cref="InvalidOperationException">A run on this very thread has the slots, and its callback asks for them.</exception>
    public T RunDetached<T>(Func<T> work, Device? device = null)
    {
        lock (_lock)
        {
            Attach(device);
            Empty();
            _lent = true;
            try
            {
                return work();
            }
            finally
            {
                _lent = false;
            }
        }
    }

    /// <summary>Takes these adapters out, if they are in.</summary>
    public void Release(byte[]? content)
    {
        lock (_lock)
        {
            if (content is not null && ReferenceEquals(content, _content))
            {
                Empty();
            }
        }
    }

    /// <summary>To be called first in a turn.</summary>
    private void Attach(Device? device)
    {
        if (_lent)
        {
            throw new InvalidOperationException(
                $"The {_model.Family} model is in a training run on this thread, whose callback asks it for something else. Do so after the run has "
                    + "returned, or load the model a second time.");
        }

        _model.RequireAlive();
        if (device is not null && !Devices.Same(_model.Device, device))
        {
            _model.MoveTo(device);
        }
    }

    private void Empty()
    {
        _attached?.Dispose();
        _attached = null;
        _content = null;
    }
}

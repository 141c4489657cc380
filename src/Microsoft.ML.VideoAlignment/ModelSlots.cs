using System.Runtime.CompilerServices;
using Microsoft.ML.VideoAlignment.Lora;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// Who fills the adapter slots of a model. A network has one set of slots, but several alignments may share it (two fits, or an alignment beside its own
/// base): each takes its turn, and the slots keep what they hold until another asks. One at a time, whatever the thread.
/// </summary>
internal sealed class ModelSlots
{
    private static readonly ConditionalWeakTable<VideoDiffusionModel, ModelSlots> s_ofModel = [];

    private readonly Lock _turn = new();
    private readonly VideoDiffusionModel _model;
    private byte[]? _content;
    private LoraAdapters? _attached;

    private ModelSlots(VideoDiffusionModel model) => _model = model;

    public static ModelSlots Of(VideoDiffusionModel model) => s_ofModel.GetValue(model, static model => new ModelSlots(model));

    /// <summary>Runs <paramref name="work"/> while these adapters act and no others; null: while none does.</summary>
    public T With<T>(byte[]? content, Func<LoraAdapters?, T> work)
    {
        lock (_turn)
        {
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
    public T Emptied<T>(Func<T> work)
    {
        lock (_turn)
        {
            Empty();
            return work();
        }
    }

    /// <summary>Takes these adapters out, if they are in.</summary>
    public void Release(byte[]? content)
    {
        lock (_turn)
        {
            if (content is not null && ReferenceEquals(content, _content))
            {
                Empty();
            }
        }
    }

    private void Empty()
    {
        _attached?.Dispose();
        _attached = null;
        _content = null;
    }
}

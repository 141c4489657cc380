namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>A value that is computed at most once per row of a cursor: several columns may read it, and <c>Preview</c> calls every getter twice.</summary>
/// <typeparam name="T">Type of the value.</typeparam>
/// <param name="row">The cursor.</param>
/// <param name="compute">Computes the value of the row that the cursor is at.</param>
internal sealed class RowCache<T>(DataViewRow row, Func<T> compute)
{
    private long _position = -1;
    private T? _value;

    /// <summary>The value of the row that the cursor is at.</summary>
    public T Value
    {
        get
        {
            if (_position != row.Position)
            {
                _value = compute();
                _position = row.Position;
            }

            return _value!;
        }
    }
}

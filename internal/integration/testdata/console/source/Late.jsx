import './Late.css'

export default function Late({ text }) {
  return <p id="done" className="late">{text}</p>
}
